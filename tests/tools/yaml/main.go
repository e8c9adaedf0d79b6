// Command yaml writes what the original Go libraries make of YAML texts, as the baselines of src/yaml.
//
//	go run . baseline DIR          DIR/scalars.txt and DIR/documents/*.yaml plus generated cases -> DIR/*.jsonl
//	go run . documents SEED COUNT  generated documents and the originals' answers on stdout (for long comparisons)
//	go run . scalars SEED COUNT    the same for scalars
//	go run . answer                one JSON string per line on stdin, answers on stdout
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	yaml2 "go.yaml.in/yaml/v2"
	yaml3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/kyaml/kio"
	"sigs.k8s.io/yaml"
)

// Scalar is the answer for one text.
type Scalar struct {
	Text string `json:"s"`
	// Value, Item, Key: Marshal of {"k": s}, [s] and {s: 0}.
	Value string `json:"v"`
	Item  string `json:"i"`
	Key   string `json:"k"`
	// Tag: go-yaml v3's tag for the text as a plain scalar.
	Tag string `json:"t"`
	// V2, V3: the document "- s\n" as JSON, or "!" and the error.
	V2 string `json:"v2"`
	V3 string `json:"v3"`
	// Pretty: {"k": [s, {s: s}]} by go-yaml v3 with SetIndent(2).
	Pretty string `json:"p"`
}

// Document is the answer for one document.
type Document struct {
	Text string `json:"d"`
	// V2: sigs.k8s.io/yaml.YAMLToJSON, or "!" and the error.
	V2 string `json:"v2"`
	// V3: every document of the stream through go-yaml v3 as JSON, one a line, or "!" and the error.
	V3 string `json:"v3"`
	// Kustomize: what kyaml reads, as kustomize prints it; "!" and the error; absent if a root is no mapping.
	Kustomize *string `json:"k,omitempty"`
	// Places: "line:column tag" of every v3 node; absent if there are aliases or an error.
	Places string `json:"p,omitempty"`
}

func guard(f func() string) (out string) {
	defer func() {
		if r := recover(); r != nil {
			out = fmt.Sprintf("!panic: %v", r)
		}
	}()
	return f()
}

func v2(text string) string {
	return guard(func() string {
		out, err := yaml.YAMLToJSON([]byte(text))
		if err != nil {
			return "!" + err.Error()
		}
		return string(out)
	})
}

func nodes3(text string) (nodes []*yaml3.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	decoder := yaml3.NewDecoder(strings.NewReader(text))
	for {
		var node yaml3.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return nodes, nil
		}
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node.Content[0])
	}
}

func v3(text string) string {
	return guard(func() string {
		nodes, err := nodes3(text)
		if err != nil {
			return "!" + err.Error()
		}
		var lines []string
		for _, node := range nodes {
			var value interface{}
			if node.Kind == yaml3.MappingNode {
				m := map[string]interface{}{}
				err = node.Decode(&m)
				value = m
			} else {
				err = node.Decode(&value)
			}
			if err != nil {
				return "!" + err.Error()
			}
			out, err := json.Marshal(value)
			if err != nil {
				return "!" + err.Error()
			}
			lines = append(lines, string(out))
		}
		return strings.Join(lines, "\n")
	})
}

func kustomize(text string) *string {
	plain := strings.ReplaceAll(text, "\r\n", "\n")
	nodes, err := nodes3(plain)
	if err == nil {
		for _, node := range nodes {
			if node.Kind != yaml3.MappingNode && node.Tag != "!!null" {
				return nil
			}
		}
	}
	out := guard(func() string {
		reader := kio.ByteReader{OmitReaderAnnotations: true, Reader: strings.NewReader(text)}
		nodes, err := reader.Read()
		if err != nil {
			return "!" + err.Error()
		}
		for _, node := range nodes {
			if expanded(node.YNode(), map[*yaml3.Node]bool{}, new(int)) {
				return "?"
			}
			if err := node.DeAnchor(); err != nil {
				return "!" + err.Error()
			}
		}
		var all []string
		for _, node := range nodes {
			j, err := node.MarshalJSON()
			if err != nil {
				return "!" + err.Error()
			}
			y, err := yaml.JSONToYAML(j)
			if err != nil {
				return "!" + err.Error()
			}
			all = append(all, string(y))
		}
		return strings.Join(all, "---\n")
	})
	if out == "?" {
		return nil
	}
	return &out
}

// expanded says whether a tree contains itself or grows beyond reason, which kyaml does not survive.
func expanded(n *yaml3.Node, open map[*yaml3.Node]bool, count *int) bool {
	if *count++; open[n] || *count > 100000 {
		return true
	}
	open[n] = true
	defer delete(open, n)
	if n.Kind == yaml3.AliasNode {
		return expanded(n.Alias, open, count)
	}
	for _, c := range n.Content {
		if expanded(c, open, count) {
			return true
		}
	}
	return false
}

func places(text string) string {
	nodes, err := nodes3(text)
	if err != nil {
		return ""
	}
	var out strings.Builder
	ok := true
	var walk func(n *yaml3.Node)
	walk = func(n *yaml3.Node) {
		if n.Kind == yaml3.AliasNode || n.Tag == "!!merge" {
			ok = false
			return
		}
		tag := ""
		if n.Kind == yaml3.ScalarNode {
			tag = " " + strings.TrimPrefix(n.Tag, "!!")
		}
		fmt.Fprintf(&out, "%d:%d%s;", n.Line, n.Column, tag)
		for _, c := range n.Content {
			walk(c)
		}
	}
	for _, n := range nodes {
		walk(n)
	}
	if !ok {
		return ""
	}
	return out.String()
}

func marshal(v interface{}) string {
	return guard(func() string {
		out, err := yaml.Marshal(v)
		if err != nil {
			return "!" + err.Error()
		}
		return string(out)
	})
}

func pretty(v interface{}) string {
	return guard(func() string {
		var out bytes.Buffer
		e := yaml3.NewEncoder(&out)
		e.SetIndent(2)
		if err := e.Encode(v); err != nil {
			return "!" + err.Error()
		}
		return out.String()
	})
}

// orders: sets of keys with the order of printing in v2 and v3.
func orders(g generator) (out [][2][]string) {
	for i := 0; i < 500; i++ {
		m := map[string]interface{}{}
		for n := 2 + g.Intn(6); n > 0; n-- {
			var key strings.Builder
			for k := 1 + g.Intn(5); k > 0; k-- {
				key.WriteString(g.pick("a", "b", "A", "z", "1", "2", "10", "0", "01", "9", "-", "_", ".", "/", "é", "日", "٣", "x"))
			}
			m["k"+key.String()] = 0
			m[key.String()+"k"] = 0
		}
		keys := func(text string) (keys []string) {
			var items yaml2.MapSlice
			if err := yaml2.Unmarshal([]byte(text), &items); err != nil {
				panic(err)
			}
			for _, item := range items {
				keys = append(keys, fmt.Sprint(item.Key))
			}
			return keys
		}
		// The order is not transitive for every set; those come out as Go's map order has it.
		settled := true
		for k := 0; k < 30; k++ {
			settled = settled && marshal(m) == marshal(m) && pretty(m) == pretty(m)
		}
		if settled {
			out = append(out, [2][]string{keys(marshal(m)), keys(pretty(m))})
		}
	}
	return out
}

func scalar(s string) Scalar {
	n := yaml3.Node{Kind: yaml3.ScalarNode, Value: s}
	return Scalar{
		Text: s, Value: marshal(map[string]interface{}{"k": s}), Item: marshal([]interface{}{s}),
		Key: marshal(map[string]interface{}{s: 0}), Tag: guard(func() string { return strings.TrimPrefix(n.ShortTag(), "!!") }),
		V2: v2("- " + s + "\n"), V3: v3("- " + s + "\n"),
		Pretty: pretty(map[string]interface{}{"k": []interface{}{s, map[string]interface{}{s: s}}}),
	}
}

func document(d string) Document {
	return Document{Text: d, V2: v2(d), V3: v3(d), Kustomize: kustomize(d), Places: places(d)}
}

func write(w io.Writer, v interface{}) {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
}

func lines(path string) (out []string) {
	data, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(string(data), "\n") {
		if line == "" || line[0] == '/' {
			continue
		}
		var s string
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			panic(fmt.Sprintf("%s: %s: %v", path, line, err))
		}
		out = append(out, s)
	}
	return out
}

func baseline(dir string) {
	g := generator{rand.New(rand.NewSource(20261122)), 0}
	var buffer bytes.Buffer
	seen := map[string]bool{}
	add := func(s string) {
		if !seen[s] {
			seen[s] = true
			write(&buffer, scalar(s))
		}
	}
	for _, s := range lines(filepath.Join(dir, "scalars.txt")) {
		add(s)
	}
	for len(seen) < 5500 {
		add(g.scalarText())
	}
	save(filepath.Join(dir, "scalars.jsonl"), buffer.Bytes())

	buffer.Reset()
	files, err := filepath.Glob(filepath.Join(dir, "documents", "*.yaml"))
	if err != nil {
		panic(err)
	}
	sort.Strings(files)
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			panic(err)
		}
		write(&buffer, document(string(data)))
	}
	for i := 0; i < 1200; i++ {
		write(&buffer, document(g.document(i%4 == 3)))
	}
	save(filepath.Join(dir, "documents.jsonl"), buffer.Bytes())

	buffer.Reset()
	write(&buffer, floats(g))
	save(filepath.Join(dir, "numbers.json"), buffer.Bytes())

	buffer.Reset()
	for _, order := range orders(g) {
		write(&buffer, order)
	}
	save(filepath.Join(dir, "orders.jsonl"), buffer.Bytes())
}

// floats: bits of float64, with the texts of %v, JSON and go-yaml after JSON.
func floats(g generator) (out [][4]string) {
	add := func(x float64) {
		j, err := json.Marshal(x)
		if err != nil {
			return
		}
		out = append(out, [4]string{strconv.FormatFloat(x, 'e', -1, 64), fmt.Sprintf("%v", x), string(j), strings.TrimSpace(marshal(x))})
	}
	for e := -25; e < 25; e++ {
		for _, m := range []string{"1", "-1", "1.5", "9.999999", "1.23456789012345678", "5"} {
			x, _ := strconv.ParseFloat(m+"e"+strconv.Itoa(e), 64)
			add(x)
		}
	}
	for i := 0; i < 300; i++ {
		add(g.NormFloat64())
		add(float64(g.Int63()))
		add(g.ExpFloat64() * 1e9)
	}
	add(5e-324)
	add(1.7976931348623157e308)
	add(18446744073709551615)
	add(9223372036854775807)
	return out
}

func save(path string, data []byte) {
	if err := os.WriteFile(path, data, 0o644); err != nil {
		panic(err)
	}
}

func main() {
	args := os.Args[1:]
	number := func(i int) int {
		n, err := strconv.Atoi(args[i])
		if err != nil {
			panic(err)
		}
		return n
	}
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	switch {
	case len(args) == 2 && args[0] == "baseline":
		baseline(args[1])
	case len(args) == 3 && args[0] == "documents":
		g := generator{rand.New(rand.NewSource(int64(number(1)))), 0}
		for i := 0; i < number(2); i++ {
			write(out, document(g.document(i%4 == 3)))
		}
	case len(args) == 3 && args[0] == "scalars":
		g := generator{rand.New(rand.NewSource(int64(number(1)))), 0}
		for i := 0; i < number(2); i++ {
			write(out, scalar(g.scalarText()))
		}
	case len(args) == 1 && args[0] == "answer":
		in := bufio.NewScanner(os.Stdin)
		in.Buffer(nil, 1<<26)
		for in.Scan() {
			var s string
			if err := json.Unmarshal(in.Bytes(), &s); err != nil {
				panic(err)
			}
			write(out, document(s))
		}
	default:
		fmt.Fprintln(os.Stderr, "usage: see main.go")
		os.Exit(2)
	}
}
