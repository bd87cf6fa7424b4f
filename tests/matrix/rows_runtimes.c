/* Interpreters and virtual machines, which bring their own threads, allocators and exits. */
#include "row.h"

static const struct row rows[] = {
    {
        .name = "python",
        .needs = LIST("python3"),
        .argv = LIST("python3", "-c",
                     "import atexit, os, sys\n"
                     "atexit.register(print, 'bye')\n"
                     "open('made', 'w').write('x')\n"
                     "print(sorted(k for k in os.environ if not k.startswith('TELEMETRY_RUN_') and "
                     "k != 'TRACEPARENT'), os.umask(0), os.getcwd())\n"
                     "print(sorted(os.listdir('/proc/self/fd')))\n"
                     "sys.exit(3)"),
        .agent = "python3",
    },
    {
        .name = "python-_exit",
        .needs = LIST("python3"),
        .argv =
            LIST("python3", "-c", "import os; print('lost'); os.write(1, b'hi\\n'); os._exit(4)"),
        .agent = "python3",
    },
    {
        .name = "python-abort",
        .needs = LIST("python3"),
        .argv = LIST("python3", "-c", "import os; os.abort()"),
        .prepare = without_cores,
        .agent = "python3",
        .source = "kernel",
    },
    {
        .name = "python-threads",
        .needs = LIST("python3"),
        .argv = LIST("python3", "-c",
                     "import threading, time, sys\n"
                     "ts = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(20)]\n"
                     "[t.start() for t in ts]; [t.join() for t in ts]\n"
                     "threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
                     "print(len(ts)); sys.exit(5)"),
        .agent = "python3",
    },
    {
        .name = "python-multiprocessing",
        .needs = LIST("python3"),
        .argv = LIST("python3", "-c",
                     "import multiprocessing as m\n"
                     "if __name__ == '__main__':\n"
                     "    with m.Pool(3) as p: print(p.map(abs, range(-9, 0)))\n"
                     "    q = m.Queue(); w = m.Process(target=q.put, args=('said',)); w.start()\n"
                     "    print(q.get()); w.join(); print(w.exitcode)"),
        .agent = "python3",
    },
    {
        .name = "python-subprocess",
        .needs = LIST("python3"),
        .argv = LIST(
            "python3", "-c",
            "import subprocess as s\n"
            "print(s.run(['false']).returncode, s.run(['kill -9 $$'], shell=True).returncode)\n"
            "print(s.check_output('cat; exit 0', shell=True, input=b'through a pipe'))\n"
            "print(s.Popen(['look'], stdout=s.PIPE, close_fds=False).communicate()[0][:20])\n"
            "try: s.run(['/nonexistent'])\n"
            "except OSError as e: print(e)\n"),
        .agent = "python3",
    },
    {
        /* Python's vfork child calls setsid in its parent's memory. */
        .name = "python-start_new_session",
        .needs = LIST("python3"),
        .argv = LIST("python3", "-c",
                     "import os, subprocess as s\n"
                     "c = 'test $(ps -o sid= -p $$) = $$ && echo a leader; exit 6'\n"
                     "print(s.run(c, shell=True, start_new_session=True).returncode)\n"
                     "print(s.run('exit 7', shell=True, start_new_session=True).returncode)\n"
                     "print(os.getsid(0) == os.getpid())"),
        .agent = "python3",
        .runs = 3, /* each new session is a run of its own */
    },
    {
        .name = "python-read-to-end",
        .needs = LIST("python3"),
        .argv =
            LIST("python3", "-c",
                 "import os, subprocess as s\n"
                 "e = {k: v for k, v in os.environ.items() if not k.startswith('TELEMETRY_RUN_')}\n"
                 "print(s.check_output(['sh', '-c', 'echo own run'], env=e))"),
        .agent = "python3",
        .runs = 2,
    },
    {
        .name = "python-asyncio",
        .needs = LIST("python3"),
        .argv = LIST("python3", "-c",
                     "import asyncio, signal, os\n"
                     "async def main():\n"
                     "    p = await asyncio.create_subprocess_exec('sh', '-c', 'echo x; exit 3', "
                     "stdout=asyncio.subprocess.PIPE)\n"
                     "    print(await p.communicate(), p.returncode)\n"
                     "    stop = asyncio.Event()\n"
                     "    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)\n"
                     "    os.kill(os.getpid(), signal.SIGTERM)\n"
                     "    await stop.wait(); print('asked to end')\n"
                     "asyncio.run(main())"),
        .agent = "python3",
    },
    {
        .name = "perl",
        .needs = LIST("perl"),
        .argv = LIST(
            "perl", "-e",
            "$SIG{CHLD} = 'IGNORE'; system('true'); $0 = 'renamed'; print `echo hi`, \"$0\\n\"; "
            "open(F, '>made'); print F join(',', map { \"$_=$ENV{$_}\" } grep { /^H/ } sort keys "
            "%ENV); close F; if (!fork) { exit 1 } wait; END { print \"end $?\\n\" } exit 6"),
        .agent = "perl",
    },
    {
        .name = "perl-killed",
        .needs = LIST("perl"),
        .argv = LIST("perl", "-e", "$| = 1; print \"hi\\n\"; kill 'KILL', $$; sleep 9"),
        .agent = "perl",
        .source = "kernel",
    },
    {
        .name = "node",
        .needs = LIST("node"),
        .argv = LIST("node", "-e",
                     "process.on('exit', c => console.log('exit', c));"
                     "const { execFileSync, fork } = require('child_process');"
                     "console.log(execFileSync('sh', ['-c', 'echo child']).toString());"
                     "require('fs').writeFileSync('made', 'x');"
                     "setTimeout(() => process.exit(3), 5)"),
        .agent = "node",
    },
    {
        .name = "node-worker",
        .needs = LIST("node"),
        .argv = LIST("node", "-e",
                     "const { Worker } = require('worker_threads');"
                     "new Worker('process.exit(4)', { eval: true })"
                     ".on('exit', c => { console.log('worker', c); process.exit(c + 1) })"),
        .agent = "node",
    },
    {
        .name = "java",
        .needs = LIST("java"),
        .tools = LIST("javac"),
        .setup = "javac -d . \"$HOSTS/Host.java\"",
        .argv = LIST("java", "-XX:-UsePerfData", "-cp", "../made", "Host"),
        .agent = "Host",
        .slow = true,
    },
    {
        .name = "java-version",
        .needs = LIST("java"),
        .argv = LIST("java", "-XX:-UsePerfData", "-version"),
        .agent = "java",
        .slow = true,
    },
};

THEME(runtimes, rows);
