# Prints C without comments, line by line, strings kept: what remains on a
# line stays on that line.

{
    out = ""
    s = $0

    while (s != "") {
        if (comment) {
            i = index(s, "*/")
            if (i == 0) {
                break
            }
            s = substr(s, i + 2)
            comment = 0

        } else if (match(s, /^"([^"\\]|\\.)*"/) \
                   || match(s, /^'([^'\\]|\\.)*'/))
        {
            out = out substr(s, 1, RLENGTH)
            s = substr(s, RLENGTH + 1)

        } else if (substr(s, 1, 2) == "/*") {
            s = substr(s, 3)
            comment = 1

        } else {
            out = out substr(s, 1, 1)
            s = substr(s, 2)
        }
    }

    print out
}
