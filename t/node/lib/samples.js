'use strict';

/* What is sent to see whether it arrives as it was. */

/* of 1 to 4 bytes in UTF-8, what JSON escapes, and what separates packets of a poll */
const TEXT = 'é € 😀 \u2028\u2029 \x1e \0 "\\/\n \\n \u007f\u0080 ÿ 日本 </script>';

/* all values, what a poll's "b…" and a binary frame may look like, and 0 bytes */
const BYTES = [
    Buffer.from(Array.from({ length: 256 }, (v, i) => i)),
    Buffer.from([0]),
    Buffer.from([4, 0x1e, 0xff]),
    Buffer.alloc(0),
    Buffer.alloc(70000, 0xa5)
];

module.exports = { BYTES, TEXT };
