/* Everyday programs: coreutils, compilers, archives, the network, and pipelines of them. */
#include "row.h"

static const struct row rows[] = {
    {
        /* coreutils close 1 and 2 at their exit: the journal must not get their number. */
        .name = "ls",
        .argv = LIST("ls", "-l", "/usr", "/nonexistent"),
        .agent = "ls",
    },
    {
        .name = "env",
        .argv = LIST("env"),
        .env = LIST("MULTI=one\ntwo", "EMPTY=", "=odd", "B\xff=\xfe"),
        .agent = "env",
    },
    {
        .name = "coreutils-files",
        .script =
            "mkdir -p a/b && touch a/f && cp -a a c && mv c/f c/g && ln -s g c/l && chmod 640 c/g "
            "&& mkfifo p && truncate -s 4096 t && dd if=t of=u bs=512 count=3 status=none && "
            "cat u | tee v | sha256sum && install -m 711 v w && split -b 500 w && rm -r a; stat -c "
            "'%n %A' *",
        .agent = "mkfifo",
    },
    {
        .name = "coreutils-texts",
        .script = "seq 1000 | shuf --random-source=/dev/zero | sort -n | uniq | tail -3; printf "
                  "'%s\\n' b "
                  "a | sort | paste -sd,; echo a b c | tr ' ' '\\n' | xargs -n1 -P3 echo | sort; "
                  "yes | head -c 100000 | wc -c; seq 1000 | head -1; date -u -d @0; base64 "
                  "</etc/debian_version",
        .agent = "seq",
    },
    {
        .name = "launchers",
        .script =
            "env A=1 nice -n 3 nohup timeout 20 setsid -w stdbuf -oL sh -c 'echo $A; exit 5'; echo "
            "$?; timeout 0.1 sleep 100; echo $?; find /etc/passwd -exec sh -c 'test -f \"$1\"' sh "
            "{} "
            "\\; && echo found; true",
        .varies = LIST("^nohup: .*"),
        .agent = "sh",
        .runs = 2, /* a new session is a run of its own */
    },
    {
        .name = "awk",
        .argv =
            LIST("awk", "BEGIN { print 1 + 1; system(\"exit 3\"); \"echo x\" | getline y; print y; "
                        "print y > \"made\"; exit 5 }"),
        .agent = "awk",
    },
    {
        .name = "tar-gzip",
        .needs = LIST("tar", "gzip"),
        .script =
            "mkdir d && seq 9999 >d/f && tar --mtime=@0 --sort=name -cf - d | gzip -n9 >d.tar.gz "
            "&& "
            "gzip -dc d.tar.gz | tar tvf - && tar xzf d.tar.gz -C . && gzip -t d.tar.gz; echo $?",
        .agent = "seq",
        .varies = LIST("root/root"),
    },
    {
        .name = "tar-xz",
        .needs = LIST("tar", "xz"),
        .argv = LIST("tar", "-cJf", "c.tar.xz", "--mtime=@0", "-C", "/etc", "passwd", "group"),
        .agent = "tar",
    },
    {
        .name = "git",
        .needs = LIST("git"),
        .script =
            "git init -qb main r && cd r && git config user.name n && git config user.email e && "
            "echo "
            "1 >f && git add f && git commit -qm one && git branch b && echo 2 >>f && git commit "
            "-qam "
            "two && git log --stat && git status && git stash list && git checkout -q b && git "
            "merge main && git gc -q && git fsck && git clone -q . ../clone && git -C ../clone log "
            "-1",
        .env = LIST("GIT_AUTHOR_DATE=2026-01-01T00:00:00Z",
                    "GIT_COMMITTER_DATE=2026-01-01T00:00:00Z", "GIT_CONFIG_NOSYSTEM=1"),
        .volatile_files = LIST("*/index", "*/.git/logs/*", "*.pack", "*.idx", "*.rev"),
        .agent = "git",
    },
    {
        .name = "git-fails",
        .needs = LIST("git"),
        .argv = LIST("git", "log"),
        .env = LIST("GIT_CEILING_DIRECTORIES=/"),
        .agent = "git",
    },
    {
        .name = "gcc",
        .needs = LIST("gcc"),
        .script =
            "printf '#include <stdio.h>\\nint main(void){puts(\"built\");return 3;}' >p.c; gcc -O1 "
            "-pipe "
            "-Wall -c p.c && gcc -o p p.o && ./p; echo $?; echo 'int x = y;' >q.c; gcc -c q.c",
        .agent = "gcc",
        .slow = true,
    },
    {
        .name = "make",
        .needs = LIST("make", "gcc"),
        .script = "for i in 1 2 3 4 5 6; do echo \"int f$i(void){return $i;}\" >f$i.c; done; "
                  "printf 'lib.a: f1.o "
                  "f2.o f3.o f4.o f5.o f6.o\\n\\t@ar rcD $@ $^ && ar t $@\\nbad:\\n\\t@exit 3\\n' "
                  ">Makefile; make "
                  "-s -j4 -Oline && make -s bad",
        .agent = "make",
        .slow = true,
    },
    {
        .name = "openssl",
        .needs = LIST("openssl"),
        .script =
            "echo text | openssl dgst -sha256; openssl rand -hex 8 | wc -c; openssl req -x509 "
            "-newkey "
            "rsa:2048 -nodes -keyout k -out c -subj /CN=x 2>/dev/null; openssl verify -CAfile c c; "
            "openssl x509 -in nothing",
        .volatile_files = LIST("k", "c"),
        .varies = LIST("^[0-9A-F]{8,}:"),
        .agent = "openssl",
    },
    {
        .name = "sqlite",
        .needs = LIST("sqlite3"),
        .script = "sqlite3 d 'PRAGMA journal_mode=wal; CREATE TABLE t(x); INSERT INTO t VALUES "
                  "(1),(2)' && "
                  "sqlite3 d 'SELECT sum(x) FROM t' && sqlite3 d 'SELECT nothing FROM nowhere'",
        .agent = "sqlite3",
    },
    {
        /* Preloads that make HTTPS or link OpenSSL themselves broke this one at its exit. */
        .name = "curl",
        .needs = LIST("curl", "python3"),
        .argv = LIST("sh", MATRIX_HOSTS "/curl.sh", "file"),
        .agent = "curl.sh",
    },
    {
        .name = "curl-loopback",
        .needs = LIST("curl", "python3"),
        .argv = LIST("sh", MATRIX_HOSTS "/curl.sh", "loopback"),
        .volatile_files = LIST("port"),
        .agent = "curl.sh",
    },
    {
        .name = "jq",
        .needs = LIST("jq"),
        .argv = LIST("jq", "-n", "1 + 1, error(\"bad\")"),
        .agent = "jq",
    },
    {
        .name = "nobody-reads",
        .script = "yes | head -1; (seq 100000; echo $? >&2) | true; echo over",
        .varies = LIST("^0$", "^141$", "seq: write error: Broken pipe"),
        .agent = "yes",
    },
    {
        .name = "tmux",
        .needs = LIST("tmux"),
        .env = LIST("SHELL=/bin/sh"),
        .argv = LIST("sh", MATRIX_HOSTS "/tmux.sh"),
        .agent = "tmux.sh",
        .runs = 3, /* its server and each pane lead a session */
    },
};

THEME(tools, rows);
