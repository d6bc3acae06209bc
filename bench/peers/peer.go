// The workloads in Go: goroutines, channels, sync and context.
//
//	GOMAXPROCS=1 peer WORKLOAD COUNT [REPEATS]
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"
)

var (
	cpu, wall           time.Duration
	cpuStart, wallStart time.Duration
	begun               = time.Now()
	measured            bool
)

// processor is the time that all threads of the process have used.
func processor() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func start() {
	wallStart, cpuStart = time.Since(begun), processor()
}

func stop() {
	cpu += processor() - cpuStart
	wall += time.Since(begun) - wallStart
	measured = true
}

// status is a number of /proc/self/status in bytes, or 0.
func status(key string) int {
	text, _ := os.ReadFile("/proc/self/status")
	found := regexp.MustCompile(key + `:\s*(\d+)`).FindSubmatch(text)
	if found == nil {
		return 0
	}
	kb, _ := strconv.Atoi(string(found[1]))
	return kb * 1024
}

func peak(base, count int) {
	high := status("VmHWM")
	if high == 0 {
		return
	}
	fmt.Printf("mb=%.1f\n", float64(high)/(1<<20))
	if base > 0 {
		fmt.Printf("bytes=%d\n", (high-base)/count)
	}
}

// memory prints what resident memory grew by, per piece, while make ran.
func memory(count int, make func()) {
	debug.FreeOSMemory()
	before := status("VmRSS")
	make()
	debug.FreeOSMemory()
	if before > 0 {
		fmt.Printf("bytes=%d\n", (status("VmRSS")-before)/count)
	}
}

func check(ok bool) {
	if !ok {
		panic("a wrong result")
	}
}

func sum(count int) int { return count * (count + 1) / 2 }

//go:noinline
func work(i int) int { return i }

func switches(count int) {
	var group sync.WaitGroup
	start()
	for i := 0; i < 10; i++ {
		group.Add(1)
		go func() {
			for turn := 0; turn < count/10; turn++ {
				runtime.Gosched()
			}
			group.Done()
		}()
	}
	group.Wait()
	stop()
}

// spawnAwait gets each goroutine's result by a channel of its own.
func spawnAwait(count int) {
	total := 0
	start()
	for i := 1; i <= count; i++ {
		i, result := i, make(chan int, 1)
		go func() { result <- work(i) }()
		total += <-result
	}
	stop()
	check(total == sum(count))
}

func spawnGather(count int) {
	var group sync.WaitGroup
	start()
	results := make([]int, count)
	for i := range results {
		group.Add(1)
		go func(i int) {
			results[i] = work(i)
			group.Done()
		}(i)
	}
	group.Wait()
	stop()
	check(results[count-1] == count-1)
}

// group is what errgroup does: the first error would cancel the others.
func group(count int) {
	var group sync.WaitGroup
	var mutex sync.Mutex
	var once sync.Once
	total := 0
	start()
	_, cancel := context.WithCancel(context.Background())
	add := func(i int) error {
		mutex.Lock()
		total += i
		mutex.Unlock()
		return nil
	}
	for i := 1; i <= count; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			if err := add(i); err != nil {
				once.Do(cancel)
			}
		}(i)
	}
	group.Wait()
	cancel()
	stop()
	check(total == sum(count))
}

// future is a channel of one place, made for one value.
func future(count int) {
	var box chan int
	total := 0
	go func() {
		for i := 1; i <= count; i++ {
			for box == nil {
				runtime.Gosched()
			}
			box <- i
			box = nil
		}
	}()
	start()
	for i := 0; i < count; i++ {
		this := make(chan int, 1)
		box = this
		total += <-this
	}
	stop()
	check(total == sum(count))
}

func pingpong(count int) {
	there, back := make(chan int, 1), make(chan int, 1)
	total := 0
	start()
	go func() {
		for i := 0; i < count; i++ {
			back <- <-there
		}
	}()
	for i := 1; i <= count; i++ {
		there <- i
		total += <-back
	}
	stop()
	check(total == sum(count))
}

func lock(count int) {
	var mutex sync.Mutex
	var group sync.WaitGroup
	taken := 0
	start()
	for i := 0; i < 10; i++ {
		group.Add(1)
		go func() {
			for turn := 0; turn < count/10; turn++ {
				mutex.Lock()
				taken++
				runtime.Gosched()
				mutex.Unlock()
			}
			group.Done()
		}()
	}
	group.Wait()
	stop()
	check(taken == count/10*10)
}

func timeout(count int) {
	start()
	for i := 0; i < count; i++ {
		_, cancel := context.WithTimeout(context.Background(), time.Minute)
		runtime.Gosched()
		cancel()
	}
	stop()
}

func timers(count int) {
	var group sync.WaitGroup
	group.Add(count)
	start()
	for i := 1; i <= count; i++ {
		time.AfterFunc(time.Duration(i*7919%count)*time.Millisecond/time.Duration(count),
			group.Done)
	}
	group.Wait()
	stop()
}

// sleep is a sleep that a context can end.
func sleep(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func cancel(count int) {
	var group sync.WaitGroup
	cancels := make([]context.CancelFunc, count)
	errors := make([]error, count)
	for i := range cancels {
		ctx, cancel := context.WithCancel(context.Background())
		cancels[i] = cancel
		group.Add(1)
		go func(i int) {
			errors[i] = sleep(ctx, time.Hour)
			group.Done()
		}(i)
	}
	runtime.Gosched()
	start()
	for _, cancel := range cancels {
		cancel()
	}
	group.Wait()
	stop()
	check(errors[count-1] == context.Canceled)
}

func million(count int) {
	var group sync.WaitGroup
	var beginGap, gap, last time.Duration
	asleep := 0
	go func() {
		all := false
		for {
			time.Sleep(time.Millisecond)
			now := time.Since(begun)
			if longest := &beginGap; last != 0 {
				if all {
					longest = &gap
				}
				if now-last > *longest {
					*longest = now - last
				}
			}
			last, all = now, asleep == count
		}
	}()
	base, first := status("VmRSS"), time.Since(begun)
	start()
	for i := 1; i <= count; i++ {
		group.Add(1)
		go func(i int) {
			asleep++ // one thread: see GOMAXPROCS
			time.Sleep(time.Second + time.Second*time.Duration(i)/time.Duration(count))
			group.Done()
		}(i)
	}
	last, beginGap = time.Since(begun), 0
	group.Wait()
	stop()
	fmt.Printf("seconds=%.2f\n", (time.Since(begun) - first).Seconds())
	fmt.Printf("begin_gap_ms=%.1f\n", float64(beginGap.Microseconds())/1000)
	fmt.Printf("gap_ms=%.1f\n", float64(gap.Microseconds())/1000)
	peak(base, count)
}

func memFuture(count int) {
	futures := make([]chan int, count)
	for i := range futures {
		futures[i] = nil
	}
	memory(count, func() {
		for i := range futures {
			futures[i] = make(chan int, 1)
		}
	})
	runtime.KeepAlive(futures)
}

// waiting starts goroutines that wait for good.
func waiting(count int, wait func()) {
	memory(count, func() {
		for i := 0; i < count; i++ {
			go wait()
		}
		time.Sleep(50 * time.Millisecond)
	})
}

func memSleeper(count int) {
	waiting(count, func() { time.Sleep(time.Hour) })
}

func memLock(count int) {
	var mutex sync.Mutex
	mutex.Lock()
	waiting(count, mutex.Lock)
}

func memTimer(count int) {
	timers := make([]*time.Timer, count)
	memory(count, func() {
		for i := range timers {
			timers[i] = time.AfterFunc(time.Hour, func() {})
		}
	})
	runtime.KeepAlive(timers)
}

func memConnection(count int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err == nil)
	go func() {
		for {
			server, err := listener.Accept()
			check(err == nil)
			go server.Read(make([]byte, 1))
		}
	}()
	clients := make([]net.Conn, count)
	memory(count, func() {
		for i := range clients {
			clients[i], err = net.Dial("tcp", listener.Addr().String())
			check(err == nil)
		}
		time.Sleep(50 * time.Millisecond)
	})
	runtime.KeepAlive(clients)
}

var workloads = map[string]func(int){
	"switch": switches, "spawn_await": spawnAwait, "spawn_gather": spawnGather,
	"group": group, "future": future, "pingpong": pingpong, "lock": lock,
	"timeout": timeout, "timers": timers, "cancel": cancel, "million": million,
	"mem_future": memFuture, "mem_sleeper": memSleeper, "mem_lock": memLock,
	"mem_timer": memTimer, "mem_connection": memConnection,
	"start": func(int) { peak(0, 0) },
}

func main() {
	workload := workloads[os.Args[1]]
	if workload == nil {
		fmt.Println("missing=1")
		return
	}
	count, _ := strconv.Atoi(os.Args[2])
	repeats := 1
	if len(os.Args) > 3 {
		repeats, _ = strconv.Atoi(os.Args[3])
	}
	for i := 0; i < repeats; i++ {
		workload(count)
	}
	if measured {
		operations := float64(count * repeats)
		fmt.Printf("ns=%.2f\n", float64(cpu.Nanoseconds())/operations)
		fmt.Printf("wall=%.2f\n", float64(wall.Nanoseconds())/operations)
	}
}
