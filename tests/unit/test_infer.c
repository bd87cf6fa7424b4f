/* What programs are called, going by their command lines. */
#include "base/infer.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "support/view.h"

enum { MAX_ARGS = 16 };

struct line {
    const char *expected;
    const char *argv[MAX_ARGS];
};

/* The interface takes what main() gets, which is not const. */
static const char *infer(const char *exe, const char *const *argv)
{
    union {
        const char *const *given;
        char *const *wanted;
    } vector = {argv};

    return view_text(tel_infer_agent(tel_str_from(exe), entries_in(argv), vector.wanted));
}

static void check(const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cr_expect_str_eq(infer("/usr/bin/the-exe", lines[i].argv), lines[i].expected, "%s %s %s",
                         lines[i].argv[0], lines[i].argv[1] == NULL ? "" : lines[i].argv[1],
                         lines[i].argv[1] == NULL || lines[i].argv[2] == NULL ? ""
                                                                              : lines[i].argv[2]);
}

#define CHECK(lines) check(lines, sizeof(lines) / sizeof(lines[0]))

static const struct line plain[] = {
    {"agent", {"agent"}},
    {"agent", {"./agent", "--x"}},
    {"agent", {"/opt/my dir/agent", "x.py"}},
    {"agent-2.sh", {"/opt/agent-2.sh"}},
    {"bash", {"-bash"}},
    {"the-exe", {""}},
    {"the-exe", {"/"}},
    {"the-exe", {".."}},
    {"2048", {"./2048"}},
    {"it's", {"/opt/it's"}},
    {"sha256sum", {"sha256sum", "f"}},
    {"agent;x", {"./agent;x"}},
};

Test(infer, plain_programs)
{
    CHECK(plain);
}

Test(infer, without_arguments)
{
    char *const none[] = {NULL};

    cr_expect_str_eq(view_text(tel_infer_agent(TEL_STR("/usr/bin/x"), 0, NULL)), "x");
    cr_expect_str_eq(view_text(tel_infer_agent(TEL_STR("/usr/bin/x"), 0, none)), "x");
    cr_expect_str_eq(view_text(tel_infer_agent(TEL_STR("/usr/bin/x"), 3, none)), "x");
    cr_expect_str_eq(view_text(tel_infer_agent(TEL_STR_NONE, 0, NULL)), "unknown");
    cr_expect_str_eq(view_text(tel_infer_agent(TEL_STR("/"), 0, NULL)), "unknown");
}

static const struct line launchers[] = {
    {"agent", {"env", "./agent"}},
    {"agent", {"/usr/bin/env", "A=1", "B=x y", "./agent"}},
    {"agent", {"env", "-i", "-u", "HOME", "-C", "/tmp", "A=1", "./agent"}},
    {"agent", {"env", "-uHOME", "--unset=X", "--chdir", "/", "-", "agent"}},
    {"agent", {"env", "-S", "A=1 ./agent --x", "more"}},
    {"agent.py", {"env", "-Spython3 -u", "agent.py"}},
    {"agent.py", {"env", "-vS", "python3 -u agent.py"}},
    {"agent.py", {"env", "--split-string=python3 agent.py"}},
    {"agent", {"env", "--", "A=1", "agent"}},
    {"env", {"env"}},
    {"env", {"env", "A=1"}},
    {"agent", {"nice", "./agent"}},
    {"agent", {"nice", "-n", "5", "./agent"}},
    {"agent", {"nice", "-n5", "./agent"}},
    {"agent", {"nice", "-5", "./agent"}},
    {"agent", {"nice", "--adjustment=5", "./agent"}},
    {"agent", {"nice", "--adjustment", "5", "./agent"}},
    {"nice", {"nice"}},
    {"agent", {"nohup", "./agent"}},
    {"agent", {"ionice", "-c2", "-n", "7", "./agent"}},
    {"agent", {"ionice", "-c", "idle", "./agent"}},
    {"ionice", {"ionice", "-p", "123"}},
    {"agent", {"setsid", "-f", "./agent"}},
    {"agent", {"timeout", "10", "./agent"}},
    {"agent", {"timeout", "-s", "KILL", "-k", "5", "10", "./agent"}},
    {"agent", {"timeout", "--signal=KILL", "--foreground", "10m", "./agent"}},
    {"agent", {"timeout", "--kill-after", "5", "10", "agent"}},
    {"timeout", {"timeout", "10"}},
    {"agent", {"stdbuf", "-oL", "-e", "0", "./agent"}},
    {"agent", {"time", "-p", "./agent"}},
    {"agent", {"/usr/bin/time", "-f", "%e", "-o", "out", "./agent"}},
    {"agent", {"chrt", "-b", "0", "./agent"}},
    {"agent", {"chrt", "-T", "100", "-D", "200", "-d", "0", "./agent"}},
    {"agent", {"taskset", "0x3", "./agent"}},
    {"agent", {"taskset", "-c", "0,1", "./agent"}},
    {"taskset", {"taskset", "-p", "0x3", "1234"}},
    {"agent", {"numactl", "-N", "0", "--membind", "0", "./agent"}},
    {"agent", {"xargs", "-n", "1", "-P4", "-I{}", "./agent", "{}"}},
    {"xargs", {"xargs"}},
    {"agent", {"sudo", "-u", "app", "-E", "A=1", "./agent"}},
    {"agent", {"sudo", "-u", "app", "A=1", "./agent"}},
    {"agent", {"flock", "-n", "/tmp/lock", "./agent"}},
    {"agent", {"flock", "-w", "5", "/tmp/lock", "-c", "cd / && ./agent"}},
    {"agent", {"env", "A=1", "nice", "-n", "5", "nohup", "timeout", "5", "setsid", "./agent"}},
    {"agent.py", {"nice", "env", "python3", "-u", "agent.py"}},
    {"ls", {"busybox", "ls"}},
    {"agent", {"strace", "-f", "-o", "log", "-e", "trace=file", "./agent"}},
    {"agent", {"valgrind", "--leak-check=full", "./agent"}},
    {"agent", {"chroot", "/jail", "/bin/agent"}},
    {"agent", {"gosu", "app", "agent"}},
    {"agent", {"tini", "-g", "--", "agent"}},
};

Test(infer, through_launchers)
{
    CHECK(launchers);
}

static const struct line interpreters[] = {
    {"agent.py", {"python3", "agent.py", "--x"}},
    {"agent.py", {"/usr/bin/python3.11", "/srv/agent.py"}},
    {"agent.py", {"python", "-u", "-O", "-X", "dev", "-Wignore", "-W", "error", "agent.py"}},
    {"pkg.mod", {"python3", "-m", "pkg.mod", "x.py"}},
    {"pkg.mod", {"python3", "-um", "pkg.mod"}},
    {"pkg.mod", {"python3", "-mpkg.mod"}},
    {"python3", {"python3", "-c", "import x", "agent.py"}},
    {"python3", {"python3", "-uc", "import x"}},
    {"python3", {"python3"}},
    {"python3", {"python3", "-"}},
    {"python3", {"python3", "-i"}},
    {"python3.11", {"/usr/bin/python3.11", "/dev/stdin"}},
    {"python3", {"python3", "/dev/fd/63"}},
    {"python3", {"python3", "."}},
    {"app", {"python3", "app/"}},
    {"agent.py", {"pypy3", "agent.py"}},
    {"agent.py", {"python3", "--check-hash-based-pycs", "always", "agent.py"}},
    {"agent.py", {"python3", "--", "agent.py"}},
    {"python3-config", {"python3-config", "x"}},
    {"agent.pl", {"perl", "-w", "-Ilib", "-I", "lib2", "-MFoo=bar", "agent.pl"}},
    {"agent.pl", {"perl5.36.0", "agent.pl"}},
    {"perl", {"perl", "-e", "print 1", "x"}},
    {"perl", {"perl", "-lne", "print", "file"}},
    {"perl", {"perl", "-pi", "-e", "s/a/b/", "file"}},
    {"perl", {"perl", "-F:", "-lane", "print", "file"}},
    {"agent.rb", {"ruby", "-Ilib", "-r", "json", "-W0", "agent.rb"}},
    {"ruby", {"ruby", "-e", "puts 1"}},
    {"agent.js", {"node", "agent.js"}},
    {"agent.js", {"nodejs", "--max-old-space-size=4096", "-r", "dotenv/config", "agent.js"}},
    {"agent.mjs", {"node", "--require", "x.js", "--import", "y.js", "--inspect", "agent.mjs"}},
    {"node", {"node", "-e", "1"}},
    {"node", {"node", "--eval", "1", "x.js"}},
    {"node", {"node", "--eval=1", "x.js"}},
    {"node", {"node", "-pe", "1"}},
    {"agent.php", {"php", "-d", "memory_limit=1G", "-f", "agent.php"}},
    {"agent.php", {"php8.2", "-dmemory_limit=1G", "agent.php"}},
    {"php", {"php", "-r", "echo 1;"}},
    {"php", {"php", "-S", "localhost:80"}},
    {"agent.jar", {"java", "-Xmx1g", "-Da=b", "-jar", "/opt/agent.jar", "x"}},
    {"com.acme.Agent", {"java", "-cp", "a.jar:b.jar", "-ea", "com.acme.Agent", "x"}},
    {"com.acme.Agent", {"java", "-classpath", "a.jar", "com.acme.Agent"}},
    {"com.acme.Agent", {"java", "--class-path", "a.jar", "com.acme.Agent"}},
    {"com.acme.Agent", {"java", "--class-path=a.jar", "@args", "com.acme.Agent"}},
    {"com.acme.Agent", {"java", "-p", "mods", "-m", "acme/com.acme.Agent"}},
    {"com.acme.Agent", {"java", "--add-opens", "a/b=c", "--module", "acme/com.acme.Agent"}},
    {"Agent.java", {"java", "src/Agent.java"}},
    {"java", {"java", "-version"}},
    {"agent.lua", {"lua5.4", "-l", "x", "-e", "a=1", "agent.lua"}},
    {"agent.R", {"Rscript", "--vanilla", "agent.R"}},
    {"Rscript", {"Rscript", "-e", "1"}},
    {"agent.jl", {"julia", "--project=.", "-t", "4", "agent.jl"}},
    {"agent.tcl", {"tclsh8.6", "agent.tcl"}},
    {"agent.exp", {"expect", "-f", "agent.exp"}},
    {"agent.awk", {"awk", "-v", "a=1", "-F:", "-f", "agent.awk", "file"}},
    {"awk", {"awk", "{print}", "file.txt"}},
    {"agent.ts", {"deno", "run", "-A", "--config", "deno.json", "agent.ts"}},
    {"deno", {"deno", "task", "x.ts"}},
    {"agent.ts", {"bun", "run", "agent.ts"}},
    {"agent.ts", {"bun", "agent.ts"}},
    {"bun", {"bun", "install"}},
    {"Agent.dll", {"dotnet", "/app/Agent.dll"}},
    {"Agent.dll", {"dotnet", "exec", "--depsfile", "x.json", "Agent.dll"}},
    {"dotnet", {"dotnet", "build"}},
};

Test(infer, through_interpreters)
{
    CHECK(interpreters);
}

static const struct line shells[] = {
    {"job.sh", {"bash", "job.sh"}},
    {"job.sh", {"bash", "-x", "-o", "pipefail", "/opt/job.sh", "a"}},
    {"job.sh", {"bash", "-euo", "pipefail", "/opt/job.sh"}},
    {"job.sh", {"bash", "+x", "+o", "posix", "-O", "extglob", "job.sh"}},
    {"job.sh", {"bash", "--norc", "--rcfile", "x", "job.sh"}},
    {"job.sh", {"sh", "--", "job.sh"}},
    {"job.sh", {"sh", "-", "job.sh"}},
    {"bash", {"bash"}},
    {"bash", {"bash", "-l"}},
    {"bash", {"bash", "-s", "arg"}},
    {"sh", {"sh", "-c"}},
    {"sh", {"sh", "-c", ""}},
    {"sh", {"sh", "-c", "exit 3"}},
    {"bash", {"bash", "-c", "kill -TERM $$"}},
    {"agent", {"sh", "-c", "./agent --x"}},
    {"agent", {"bash", "-lc", "/opt/agent"}},
    {"agent", {"sh", "-c", "-e", "./agent"}},
    {"agent", {"bash", "-ceuo", "pipefail", "./agent"}},
    {"agent", {"sh", "-c", "A=1 B='x y' exec ./agent"}},
    {"agent", {"sh", "-c", "exec -a name ./agent"}},
    {"agent", {"sh", "-c", "cd /srv && ./agent"}},
    {"agent", {"sh", "-c", "cd /srv; export A=1; umask 022; . ./env; exec ./agent 2>&1"}},
    {"agent", {"sh", "-c", "set -e\nulimit -n 10\n[ -f x ] || exit 1\n./agent"}},
    {"agent", {"sh", "-c", "if test -x ./agent; then ./agent; fi"}},
    {"agent", {"sh", "-c", "while true; do ./agent; sleep 5; done"}},
    {"agent", {"sh", "-c", "for x in a b; do ./agent $x; done"}},
    {"agent", {"sh", "-c", "(cd /srv && ./agent)"}},
    {"agent", {"sh", "-c", "{ ./agent; }"}},
    {"agent", {"sh", "-c", "exec >log 2>&1; ./agent"}},
    {"agent", {"sh", "-c", "# comment\n./agent"}},
    {"agent", {"sh", "-c", "sleep 5; mkdir -p out && ./agent"}},
    {"sleep", {"sh", "-c", "sleep 5"}},
    {"sleep", {"sh", "-c", "sleep 5; mkdir x"}},
    {"agent", {"sh", "-c", "echo start && ./agent && echo done"}},
    {"agent", {"sh", "-c", "./agent | tee log"}},
    {"agent", {"sh", "-c", "'/opt/my dir/agent' x"}},
    {"agent", {"sh", "-c", "\"$HOME\"/bin/agent x"}},
    {"agent", {"sh", "-c", "\"$DIR/agent\""}},
    {"sh", {"sh", "-c", "$AGENT x"}},
    {"sh", {"sh", "-c", "`which agent` x"}},
    {"agent.py", {"sh", "-c", "python3 agent.py"}},
    {"agent.py", {"sh", "-c", "cd x && nice -n 5 env A=1 python3 -u \"$D/agent.py\" --x"}},
    {"python3", {"sh", "-c", "python3 $SCRIPT"}},
    {"python3", {"sh", "-c", "python3; ./other"}},
    {"pkg.mod", {"sh", "-c", "exec python3 -m pkg.mod"}},
    {"agent", {"bash", "-c", "sh -c './agent'"}},
    {"agent", {"bash", "-c", "nice sh -c 'cd / && ./agent'"}},
    {"agent", {"sh", "-c", "exec \"$@\"", "sh", "./agent", "x"}},
    {"agent", {"sh", "-c", "\"$0\" \"$@\"", "./agent", "x"}},
    {"agent.py", {"sh", "-c", "A=1 \"$@\"", "_", "python3", "agent.py"}},
    {"sh", {"sh", "-c", "\"$@\""}},
    {"agent", {"zsh", "-c", "./agent"}},
    {"agent", {"nice", "sh", "-c", "./agent"}},
    {"agent", {"timeout", "5", "bash", "-lc", "cd x && ./agent"}},
    {"sh", {"sh", "-c", "'"}},
    {"sh", {"sh", "-c", "./agent\"$X\" x"}},
    {"other", {"sh", "-c", "my\\ agent; other"}},
    {"sh", {"sh", "-c", ";;&&||"}},
};

Test(infer, through_shells)
{
    CHECK(shells);
}

static const struct {
    const char *exe;
    const char *expected;
    const char *argv[MAX_ARGS];
} scripts[] = {
    {"/path/job.sh", "job.sh", {"/bin/bash", "/path/job.sh", "x"}},
    {"/path/job.sh", "job.sh", {"/bin/bash", "-e", "/path/job.sh", "x"}},
    {"/usr/bin/bash", "job.sh", {"/bin/bash", "/path/job.sh", "x"}},
    {"./job.sh", "job.sh", {"/bin/sh", "./job.sh"}},
    {"/path/build.mk", "build.mk", {"/usr/bin/make", "-f", "/path/build.mk"}},
    {"/path/agent", "agent", {"/usr/bin/env", "-S python3 -u", "/path/agent"}},
    {"/path/tool", "tool", {"/venv/bin/python", "/path/tool", "x.py"}},
    {"/bin/ls", "ls", {"ls", "ls"}},
    {"/bin/busybox", "ls", {"ls", "-l"}},
    {"/usr/bin/python3.11", "python3", {"python3", "-c", "1"}},
};

Test(infer, scripts_by_their_first_line)
{
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++)
        cr_expect_str_eq(infer(scripts[i].exe, scripts[i].argv), scripts[i].expected, "%zu", i);
}

/* Any words in any order: the result is never empty and always borrowed. */
Test(infer, survives_any_words)
{
    static const char *const words[] = {
        "env",     "sh",   "-c",   "-",       "--",    "",        "A=1",
        "python3", "-m",   "$@",   "\"$@\"",  "'",     "\"",      "\\",
        "nice -n", "-S",   "exec", ";",       "flock", "sudo",    "-u",
        "java",    "-jar", "$(",   "`",       "${",    "deno",    "run",
        "awk",     "-f",   "time", "timeout", "xargs", "busybox", "sh -c 'sh -c \"$@\"'",
        "/",       "..",
    };
    size_t count = sizeof(words) / sizeof(words[0]);
    uint64_t state = 88172645463325252u;

    for (int round = 0; round < 50000; round++) {
        const char *argv[9] = {NULL};

        for (size_t i = 0; i < 8; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            argv[i] = state % 9 == 0 ? NULL : words[(state >> 16) % count];
        }
        cr_assert_neq(infer("/usr/bin/exe", argv)[0], '\0');
    }
}
