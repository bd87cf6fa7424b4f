/* A Java program with a shutdown hook, threads and a child. */
class Host {
    public static void main(String[] arguments) throws Exception {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        Thread thread = new Thread(() -> System.out.println("thread"));
        thread.start();
        thread.join();
        Process child = new ProcessBuilder("sh", "-c", "echo child; exit 4").start();
        System.out.print(new String(child.getInputStream().readAllBytes()));
        System.out.println(child.waitFor());
        java.nio.file.Files.writeString(java.nio.file.Path.of("made"), "x");
        System.exit(3);
    }
}
