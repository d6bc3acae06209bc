// An echo server in Go. Without an argument what comes goes back; with one,
// whole messages of that many bytes do.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
)

func echo(conn net.Conn, size int) {
	defer conn.Close()
	room := size
	if size == 0 {
		room = 65536
	}
	data := make([]byte, room)
	for {
		var n int
		var err error
		if size == 0 {
			n, err = conn.Read(data)
		} else {
			n, err = io.ReadFull(conn, data)
		}
		if err != nil {
			return
		}
		if _, err = conn.Write(data[:n]); err != nil {
			return
		}
	}
}

func main() {
	size := 0
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("port=%d\n", server.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := server.Accept()
		if err != nil {
			panic(err)
		}
		go echo(conn, size)
	}
}
