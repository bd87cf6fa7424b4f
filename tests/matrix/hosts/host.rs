// A Rust program with threads, a child, and an exit code or a panic.
use std::process::Command;

fn main() {
    let threads: Vec<_> = (0..4).map(|i| std::thread::spawn(move || i * i)).collect();
    let sum: i32 = threads.into_iter().map(|t| t.join().unwrap()).sum();
    let out = Command::new("sh").args(["-c", "echo child; exit 4"]).output().unwrap();
    println!("{} {} {}", sum, String::from_utf8_lossy(&out.stdout).trim(), out.status);
    if std::env::args().count() > 1 {
        panic!("asked to");
    }
    std::process::exit(3);
}
