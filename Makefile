# Everything that one does with this tree; "make help" lists it.
#
# Variables of the build:
#
#   NGINX_SRC  an nginx source tree: build that nginx too, and for it.  Empty:
#              build for the nginx of this Debian, with its nginx-dev
#   NDK_SRC    NDK sources, by default Debian's if they fit; "none": without
#   BUILD      where the result goes: build, or build/custom with NGINX_SRC
#   CC_OPT, LD_OPT, CONF_FLAGS, WERROR=no   see t/tools/build-nginx.sh
#
# What tests find in their environment (and what one may set to run them, with
# "prove" or "make test", against something else):
#
#   TEST_NGINX_BINARY   the nginx to test, default /usr/sbin/nginx
#   TEST_NGINX_MODULES  directory of ngx_http_socketio_module.so, default build
#   TEST_NDK_MODULE     ndk_http_module.so to load first, default Debian's, or
#                       that of the build; empty: load none
#   TEST_NGINX_LEAVE=1  keep the directories of the tests, print their names
#   FUZZ_SECONDS        how long t/90_fuzz.t runs each fuzzer, default 5
#   CI                  set: a tool that is missing is a failure, not a skip

TIME      ?= 30
T         = $(UNIT) $(sort $(wildcard t/*.t t/*/*.t))
PROVE     = prove
DEMO_PORT ?= 8080
CLIENTS   ?= 300
FAULTS    ?= all
EACH      ?= 7
# but one, of too many sessions for its time
REBUILT   = $(if $(filter $(origin T),command line),$(T),$(filter-out \
            t/eio_lifecycle.t,$(sort $(wildcard \
            t/eio_*.t t/hook_*.t t/publish_*.t t/raw_*.t t/sio_*.t))))

ifdef NGINX_SRC
BUILD     = build/custom
else
BUILD     = build
endif

MODULE    = $(BUILD)/ngx_http_socketio_module.so

UNIT_SRCS = $(sort $(wildcard t/unit/*_test.c))
UNIT      = $(UNIT_SRCS:t/unit/%.c=build/unit/%)
FUZZ_SRCS = $(filter-out %/fuzz_worker.c,$(sort $(wildcard t/fuzz/fuzz_*.c)))
FUZZ      = $(FUZZ_SRCS:t/fuzz/%.c=build/fuzz/%)

SHIMS     = build/shim/clock.so build/shim/memory.so

PLAIN     = $(UNIT:build/unit/%=build/plain/%)
# zlib is not instrumented, and what it has written looks unset
MSAN      = $(patsubst build/unit/%,build/msan/%,$(filter-out \
            build/unit/store_% build/unit/ws_deflate_test,$(UNIT)))

SANITIZE  = -fsanitize=address,undefined -fno-sanitize-recover=undefined
ALONE     = -DNGX_SOCKETIO_STANDALONE=1 -std=gnu11 -Wall -Wextra -Werror \
            -g -O1 -fno-omit-frame-pointer -Isrc -MMD -MP

STORE     = $(subst -DNGX_SOCKETIO_STANDALONE=1,,$(ALONE)) -It/unit \
            $(patsubst %,-isystem $(BUILD)/tree/src/%,core event \
            event/modules os/unix) -isystem $(BUILD)/objs

export NGINX_SRC NDK_SRC CC_OPT LD_OPT CONF_FLAGS WERROR DEMO_PORT

ifdef NGINX_SRC
export TEST_NGINX_BINARY  ?= $(abspath $(BUILD))/nginx
endif

export TEST_NGINX_BINARY  ?= /usr/sbin/nginx
export TEST_NGINX_MODULES ?= $(abspath $(BUILD))
export NODE_PATH          ?= $(abspath build/node/node_modules)


build:       ## the dynamic module (and nginx, with NGINX_SRC=path)
	@t/tools/build-nginx.sh $(BUILD)

unit:        ## unit tests of the pure layer, with sanitizers
unit: $(UNIT)
	@$(PROVE) $(UNIT)

test:        ## install what is missing, build, run all tests (T=... some)
	@t/tools/install-deps.sh build test
	@$(MAKE) --no-print-directory build faults-build
	@$(MAKE) --no-print-directory -j$$(nproc) $(UNIT) $(FUZZ)
	@$(MAKE) --no-print-directory prove

prove:       ## all tests (T=... some), as built
prove: $(SHIMS)
	@TEST_NDK_MODULE=$${TEST_NDK_MODULE-$$(cat $(BUILD)/ndk)} \
	    $(PROVE) -It/lib $(T)

demo:        ## a chat in the browser, until Ctrl-C (DEMO_PORT=8080)
	@t/tools/demo.sh

fuzz:        ## every fuzzer for TIME=30 seconds
fuzz: $(FUZZ) build/fuzz/fuzz_worker
	@for f in $(FUZZ:build/fuzz/fuzz_%=%) worker; do \
	    t/tools/fuzz.sh $$f $(TIME) || exit 1; \
	done

asan:        ## nginx and the module with address and UB sanitizers
	@t/tools/build-asan.sh

asan-test:   ## the suite with nginx under the sanitizers (T=... some)
asan-test: asan $(UNIT) $(FUZZ)
	@t/tools/asan-env.sh $(MAKE) --no-print-directory prove

faults:      ## t/node/faults.t at length (TIME=30 each, CLIENTS=300, FAULTS=...)
faults: build faults-build $(SHIMS)
	@TEST_NDK_MODULE=$${TEST_NDK_MODULE-$$(cat $(BUILD)/ndk)} TIME=$(TIME) \
	    CLIENTS=$(CLIENTS) FAULTS=$(FAULTS) node t/node/faults.t

faults-build: ## the module, whose workers die in a hold when told to
	@t/tools/build-faults.sh

prove-rebuild: ## tests with a zone that is rebuilt at each EACH=7th unlock
	@CC_OPT="$(CC_OPT) -DNGX_SOCKETIO_REBUILD=$(EACH)" \
	    t/tools/build-nginx.sh build/rebuild
	@TEST_NGINX_MODULES=$(abspath build/rebuild) \
	    $(MAKE) --no-print-directory prove T="$(REBUILT)"

bench:       ## load generators; how long emits and rebuilds hold the lock
bench: build/bench/load build/bench/slow build/bench/hold
	build/bench/hold
	build/bench/hold rebuild

analyse:     ## static analysers: cppcheck, clang, clang-tidy, gcc (A=... some)
	@t/tools/install-deps.sh build analyse
	@$(MAKE) --no-print-directory build
	@t/tools/analyse.sh $(A)

valgrind:    ## unit tests without sanitizers, and nginx (T=t/some.t), in it
	@t/tools/install-deps.sh build analyse
	@$(MAKE) --no-print-directory build $(PLAIN)
	@t/tools/valgrind.sh $(PLAIN)
	@t/tools/valgrind.sh $(if $(filter $(origin T),command line),$(T), \
	    t/sio_events.t)

msan:        ## unit tests of the pure layer with the memory sanitizer
msan: $(MSAN)
	@$(PROVE) $(MSAN)

coverage:    ## what of src is reached by fuzz, unit, wire (A=... some)
	@t/tools/install-deps.sh test analyse
	@t/tools/coverage.sh $(A)

nginx-tests: ## nginx's own suite with the module and without (SUITE=checkout)
	@t/tools/nginx-tests.sh $(SUITE)

soak:        ## churn for TIME seconds, RELOAD=s: does anything grow?
soak: build
	@TEST_NDK_MODULE=$${TEST_NDK_MODULE-$$(cat $(BUILD)/ndk)} \
	    t/tools/soak.js $(TIME)

lint:        ## layers, symbols, style, docs, examples
lint: build
	@$(MAKE) --no-print-directory prove T="$(wildcard t/00_*.t)"

clean:       ## remove all that was built
	rm -rf build

help:        ## this list
	@sed -n 's/^\([a-z-]*\):  *## /  make \1\t/p' Makefile | expand -t 20


build/unit/%: t/unit/%.c
	@mkdir -p $(@D)
	$(CC) $(ALONE) $(SANITIZE) -It/unit -o $@ $< -lz

# the store needs nginx's headers, as configured for this module

build/unit/store_%: t/unit/store_%.c | $(BUILD)/configured
	@mkdir -p $(@D)
	$(CC) $(STORE) $(SANITIZE) -o $@ $<

build/plain/%: t/unit/%.c
	@mkdir -p $(@D)
	$(CC) $(ALONE) -It/unit -o $@ $< -lz

build/plain/store_%: t/unit/store_%.c | $(BUILD)/configured
	@mkdir -p $(@D)
	$(CC) $(STORE) -o $@ $<

build/msan/%: t/unit/%.c
	@mkdir -p $(@D)
	clang $(ALONE) -fsanitize=memory -fno-sanitize-recover=memory \
	    -fsanitize-memory-track-origins -It/unit -o $@ $< -lz

STORES    = -fsanitize-coverage=func,trace-pc-guard,trace-stores
COVERAGE  = -fprofile-instr-generate -fcoverage-mapping

build/coverage/bin/%: t/unit/%.c
	@mkdir -p $(@D)
	clang $(ALONE) $(COVERAGE) -It/unit -o $@ $< -lz

build/coverage/bin/store_%: t/unit/store_%.c | $(BUILD)/configured
	@mkdir -p $(@D)
	clang $(STORE) $(COVERAGE) -o $@ $<

build/coverage/bin/store_death_test: t/unit/store_death_test.c \
    | $(BUILD)/configured
	@mkdir -p $(@D)
	clang $(STORE) $(COVERAGE) $(STORES) -o $@ $<

build/coverage/bin/fuzz_%: t/fuzz/fuzz_%.c
	@mkdir -p $(@D)
	clang $(ALONE) $(COVERAGE) -fsanitize=fuzzer -It/fuzz -o $@ $< -lz \
	    -ljansson

build/coverage/bin/fuzz_store build/coverage/bin/fuzz_rebuild: \
build/coverage/bin/%: t/fuzz/%.c | $(BUILD)/configured
	@mkdir -p $(@D)
	clang $(STORE) $(COVERAGE) -fsanitize=fuzzer -o $@ $<

# before each store clang calls the test

build/unit/store_death_test: t/unit/store_death_test.c | $(BUILD)/configured
	@mkdir -p $(@D)
	clang $(STORE) $(SANITIZE) $(STORES) -o $@ $<

build/bench/load build/bench/slow: build/bench/%: t/bench/%.c t/bench/wire.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Wall -Wextra -Werror -O2 -o $@ $<

build/bench/hold: t/bench/hold.c | $(BUILD)/configured
	@mkdir -p $(@D)
	$(CC) $(STORE) -O2 -o $@ $<

build/shim/%.so: t/shim/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -Wall -Wextra -Werror -O2 -shared -fPIC -o $@ $<

build/fuzz/%: t/fuzz/%.c
	@mkdir -p $(@D)
	clang $(ALONE) $(SANITIZE) -fsanitize=fuzzer -It/fuzz -o $@ $< -lz \
	    -ljansson

# nginx itself, with the module: "make" there knows what is to be done

build/fuzz/fuzz_worker: always
	@t/tools/build-fuzz-worker.sh

build/fuzz/fuzz_store build/fuzz/fuzz_rebuild: \
build/fuzz/%: t/fuzz/%.c | $(BUILD)/configured
	@mkdir -p $(@D)
	clang $(STORE) $(SANITIZE) -fsanitize=fuzzer -o $@ $<

$(BUILD)/configured:
	@t/tools/build-nginx.sh $(BUILD)

-include $(wildcard build/unit/*.d build/fuzz/*.d build/plain/*.d build/msan/*.d \
    build/coverage/bin/*.d)

.DEFAULT_GOAL = build
.PHONY: build unit test prove demo fuzz asan asan-test faults faults-build prove-rebuild bench soak lint clean help
.PHONY: always analyse valgrind msan coverage nginx-tests
