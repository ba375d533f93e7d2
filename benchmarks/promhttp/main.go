// The peer of benchmarks/exposition.py: Go's client library with a live metric object for each series.
//
// It reads a page in the text format, holds what is on it, and answers JSON lines on stdin as benchmarks/lines.py says.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	checked  = "bot_last_status_check_timestamp_seconds"
	received = "bot_messages_received_total"
	sent     = "bot_messages_sent_total"
)

type question struct {
	Ask    string
	Page   string
	Bots   []int
	Number float64
	Gzip   bool
}

type bot struct {
	checked        prometheus.Gauge
	received, sent prometheus.Counter
}

type fleet struct {
	registry *prometheus.Registry
	bots     []*bot
}

func load(path string) (*fleet, int, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	held := &fleet{registry: prometheus.NewRegistry()}
	byName := map[string]*bot{}
	gauges, counters := map[string]*prometheus.GaugeVec{}, map[string]*prometheus.CounterVec{}
	helps, kinds := map[string]string{}, map[string]string{}
	samples := 0
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "# ") {
			parts := strings.SplitN(line, " ", 4)
			if parts[1] == "HELP" {
				helps[parts[2]] = parts[3]
			} else {
				kinds[parts[2]] = parts[3]
			}
			continue
		}
		open, end := strings.IndexByte(line, '{'), strings.LastIndexByte(line, '}')
		name := line[:open]
		var names, values []string
		for _, pair := range strings.Split(line[open+1:end], ",") {
			equals := strings.IndexByte(pair, '=')
			names = append(names, pair[:equals])
			values = append(values, pair[equals+2:len(pair)-1])
		}
		value, err := strconv.ParseFloat(line[end+2:], 64)
		if err != nil {
			return nil, 0, err
		}
		samples++
		owner := byName[values[0]]
		if owner == nil {
			owner = &bot{}
			byName[values[0]] = owner
			held.bots = append(held.bots, owner)
		}
		if kinds[name] == "counter" {
			vec := counters[name]
			if vec == nil {
				vec = prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: helps[name]}, names)
				held.registry.MustRegister(vec)
				counters[name] = vec
			}
			counter := vec.WithLabelValues(values...)
			counter.Add(value)
			switch name {
			case received:
				owner.received = counter
			case sent:
				owner.sent = counter
			}
		} else {
			vec := gauges[name]
			if vec == nil {
				vec = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: helps[name]}, names)
				held.registry.MustRegister(vec)
				gauges[name] = vec
			}
			gauge := vec.WithLabelValues(values...)
			gauge.Set(value)
			if name == checked {
				owner.checked = gauge
			}
		}
	}
	return held, samples, lines.Err()
}

func (held *fleet) change(bots []int, number float64) {
	for _, each := range bots {
		changed := held.bots[each]
		changed.checked.Set(1.8e9 + number)
		changed.received.Add(3)
		changed.sent.Add(1)
	}
}

// What a scrape costs without a socket.
func render(handler http.Handler, gzip bool) (float64, float64, int) {
	request := httptest.NewRequest("GET", "/metrics", nil)
	if gzip {
		request.Header.Set("Accept-Encoding", "gzip")
	}
	answer := &body{header: http.Header{}}
	began, worked := time.Now(), processorMs()
	handler.ServeHTTP(answer, request)
	return time.Since(began).Seconds() * 1000, processorMs() - worked, answer.Len()
}

func processorMs() float64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return float64(used.Utime.Nano()+used.Stime.Nano()) / 1e6
}

type body struct {
	bytes.Buffer
	header http.Header
}

func (answer *body) Header() http.Header { return answer.header }
func (answer *body) WriteHeader(int)     {}

func main() {
	var held *fleet
	var handler http.Handler
	input := bufio.NewReader(os.Stdin)
	output := json.NewEncoder(os.Stdout)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		answer := map[string]any{}
		switch asked.Ask {
		case "load":
			loaded, samples, err := load(asked.Page)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			held = loaded
			handler = promhttp.HandlerFor(held.registry, promhttp.HandlerOpts{})
			answer["samples"], answer["bots"] = samples, len(held.bots)
		case "change":
			held.change(asked.Bots, asked.Number)
		case "render":
			answer["ms"], answer["cpu_ms"], answer["bytes"] = render(handler, asked.Gzip)
		case "serve":
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			answer["port"] = listener.Addr().(*net.TCPAddr).Port
			go http.Serve(listener, handler)
		}
		if err := output.Encode(answer); err != nil {
			return
		}
	}
}
