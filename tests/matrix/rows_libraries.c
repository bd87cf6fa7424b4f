/* Other ways to be linked, and other objects that are preloaded beside the shim. */
#include "row.h"

#define ALLOCATING                                                                                 \
    LIST("python3", "-c",                                                                          \
         "import threading\n"                                                                      \
         "def work(): return [bytes(i % 5000) for i in range(20000)]\n"                            \
         "ts = [threading.Thread(target=work) for _ in range(4)]\n"                                \
         "[t.start() for t in ts]; [t.join() for t in ts]; print('done'); raise SystemExit(3)")

static const struct row rows[] = {
    {
        .name = "jemalloc-before",
        .needs = LIST("libjemalloc.so.2", "python3"),
        .argv = ALLOCATING,
        .preload = "libjemalloc.so.2:%",
        .agent = "python3",
    },
    {
        .name = "jemalloc-after",
        .needs = LIST("libjemalloc.so.2", "python3"),
        .argv = ALLOCATING,
        .preload = "%:libjemalloc.so.2",
        .agent = "python3",
    },
    {
        .name = "tcmalloc-before",
        .needs = LIST("libtcmalloc_minimal.so.4", "python3"),
        .argv = ALLOCATING,
        .preload = "libtcmalloc_minimal.so.4:%",
        .agent = "python3",
    },
    {
        .name = "tcmalloc-after",
        .needs = LIST("libtcmalloc_minimal.so.4", "python3"),
        .argv = ALLOCATING,
        .preload = "%:libtcmalloc_minimal.so.4",
        .agent = "python3",
    },
    {
        .name = "bind-now",
        .argv = LIST("look"),
        .env = LIST("LD_BIND_NOW=1"),
        .agent = "look",
    },
    {
        .name = "loader-debug-off",
        .argv = LIST("look"),
        .env = LIST("LD_BIND_NOT=1", "MALLOC_PERTURB_=85", "MALLOC_CHECK_=3"),
        .agent = "look",
    },
    {
        .name = "no-such-preload",
        .argv = LIST("look"),
        .preload = "%:/nonexistent/libnothing.so",
        .agent = "look",
    },
    {
        .name = "static",
        .argv = LIST("plain_static", "3"),
        .runs = NO_RUN,
    },
    {
        .name = "musl",
        .needs = LIST("plain_musl"),
        .argv = LIST("plain_musl", "3"),
        .agent = "plain_musl",
        .source = "kernel", /* musl tells no destructor its exit code */
    },
    {
        .name = "musl-_exit",
        .needs = LIST("end_musl"),
        .argv = LIST("end_musl", "_exit"),
        .agent = "end_musl",
    },
    {
        .name = "musl-static",
        .tools = LIST("musl-gcc"),
        .setup = "musl-gcc -static -o host \"$HOSTS/host.c\" -lpthread",
        .argv = LIST("../made/host"),
        .runs = NO_RUN,
    },
    {
        .name = "c++-exceptions",
        .tools = LIST("g++"),
        .setup = "g++ -o host \"$HOSTS/host.cc\"",
        .argv = LIST("../made/host"),
        .agent = "host",
    },
    {
        .name = "asan",
        .tools = LIST("gcc"),
        .setup = "gcc -fsanitize=address -o host \"$HOSTS/host.c\" -pthread",
        .argv = LIST("../made/host"),
        .agent = "host",
    },
    {
        .name = "go-static",
        .tools = LIST("go"),
        .setup = "cp \"$HOSTS/host.go\" . && GOCACHE=$PWD/cache CGO_ENABLED=0 GO111MODULE=off go "
                 "build -o host "
                 "host.go",
        .argv = LIST("../made/host"),
        .agent =
            "sh", /* its child is the first that has the shim; only telemetry exec reaches itself */
    },
    {
        .name = "go-cgo",
        .tools = LIST("go", "gcc"),
        .setup =
            "cp \"$HOSTS/host.go\" . && sed -i 's/^import (/import \"C\"\\nimport (/' host.go && "
            "GOCACHE=$PWD/cache CGO_ENABLED=1 GO111MODULE=off go build -buildmode=pie -o host "
            "host.go",
        .argv = LIST("../made/host"),
        .agent = "host",
        .source = "kernel", /* Go ends by the system call */
        .runs = 2,          /* it passes the environment the kernel gave it, without the run's id */
    },
    {
        .name = "rust",
        .tools = LIST("rustc", "gcc"),
        .setup = "rustc -O -o host \"$HOSTS/host.rs\"",
        .argv = LIST("../made/host"),
        .agent = "host",
    },
    {
        .name = "rust-panic",
        .tools = LIST("rustc", "gcc"),
        .setup = "rustc -O -C panic=abort -o host \"$HOSTS/host.rs\"",
        .argv = LIST("../made/host", "panic"),
        .prepare = without_cores,
        .agent = "host",
        .source = "kernel",
    },
    {
        .name = "libseccomp",
        .needs = LIST("/usr/include/seccomp.h"),
        .tools = LIST("gcc"),
        .setup = "gcc -o host \"$HOSTS/filtered.c\" -lseccomp",
        .argv = LIST("../made/host"),
        .agent = "host",
        .source = "kernel",
    },
    {
        .name = "odd-name",
        .setup = "cp \"$FIXTURES/look\" \"it's \\\"gr\xc3\xbc\xc3\x9f\"",
        .argv = LIST("../made/it's \"gr\xc3\xbc\xc3\x9f"),
        .agent = "it's \"gr\xc3\xbc\xc3\x9f",
    },
    {
        .name = "strace",
        .needs = LIST("strace"),
        .argv = LIST("strace", "-f", "-o", "log", "look"),
        .volatile_files = LIST("log"),
        .prepare = without_cores,
        .agent = "look",
    },
    {
        .name = "gdb",
        .needs = LIST("gdb"),
        .argv = LIST("gdb", "-nx", "-batch", "-ex", "set debuginfod enabled off", "-ex", "run",
                     "-ex", "info inferiors", "-ex", "print $_exitcode", "--args", "look", "seen"),
        .shows = "seen",
        .varies = LIST("process [0-9]+"),
        .agent = "gdb",
        .slow = true,
    },
};

THEME(libraries, rows);
