// Command driver is an OpAMP agent made of opamp-go's client. A test scripts it with one JSON
// command per line on stdin and reads one JSON line per event on stdout; messages travel in the
// protobuf JSON mapping, so nothing the client saw is lost on the way.
//
// Commands are {"id":1,"do":"start",…}; each is answered by {"event":"reply","id":1} with an
// "error" when it was refused. Everything else on stdout is a callback of the client. The process
// ends when stdin does, after stopping the client.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
)

const commandBytesMax = 80 << 20 // room for a base64 body beyond OpAMP's own 64 MiB limit

// printer writes events as JSON lines; callbacks come from several goroutines.
type printer struct {
	mu  sync.Mutex
	out io.Writer
}

func (p *printer) print(event string, fields map[string]any) {
	line := map[string]any{"event": event}
	for name, value := range fields {
		line[name] = value
	}
	encoded, err := json.Marshal(line)
	if err != nil {
		encoded = fmt.Appendf(nil, `{"event":"fault","error":%q}`, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.out.Write(append(encoded, '\n'))
}

func main() {
	printed := &printer{out: os.Stdout}
	subject := newAgent(printed)
	printed.print("ready", map[string]any{"pid": os.Getpid()})

	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, commandBytesMax)
	for lines.Scan() {
		var cmd command
		err := json.Unmarshal(lines.Bytes(), &cmd)
		if err == nil {
			err = subject.perform(cmd)
		}
		reply := map[string]any{"id": cmd.ID}
		if err != nil {
			reply["error"] = err.Error()
		}
		printed.print("reply", reply)
	}
	subject.stop()
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "driver: cannot read commands:", err)
		os.Exit(1)
	}
}
