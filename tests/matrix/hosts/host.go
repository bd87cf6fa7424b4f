// A Go program with goroutines, a signal, a child and an exit code.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println(<-signals)

	done := make(chan int)
	for i := 0; i < 10; i++ {
		go func(i int) { done <- i }(i)
	}
	sum := 0
	for i := 0; i < 10; i++ {
		sum += <-done
	}
	out, err := exec.Command("sh", "-c", "echo child; exit 3").Output()
	fmt.Print(sum, " ", string(out), err, "\n")
	os.WriteFile("made", []byte("x"), 0600)
	os.Exit(3)
}
