// Command template is the oracle of the template room: it runs every case file under the given folders through Go's
// text/template (and, in mode helm, with the functions of Helm's engine) and writes what comes out next to it.
//
//	go run . ../../../fixtures/template            every *.cases below it
//	go run . ../../../fixtures/template/fmt/x.cases   one file
//
// A case file has one template a line; `<<<` and `>>>` on lines of their own enclose one of several lines. Lines that
// start with `#` are comments. These lines hold for the cases after them:
//
//	mode: language|helm     the functions; `language` (the default) has those of functions.go
//	data: JSON              the dot
//	options: missingkey=zero
//
// The answers go to the same name with `.want`: per case a line with the template (quoted as a Go string) and a line with
// `= "output"` or `! "error"`.
package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
)

type context struct {
	mode    string
	data    string
	options []string
}

func main() {
	for _, root := range os.Args[1:] {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".cases") {
				return err
			}
			return answer(path)
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

// answer writes the .want file of one .cases file.
func answer(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	ctx := context{mode: "language", data: "null"}
	var out, block strings.Builder
	inBlock := false
	for i, line := range strings.SplitAfter(string(text), "\n") {
		bare := strings.TrimSuffix(line, "\n")
		switch {
		case inBlock && bare == ">>>":
			inBlock = false
			if err := run(&out, ctx, strings.TrimSuffix(block.String(), "\n")); err != nil {
				return fmt.Errorf("%s:%d: %w", path, i+1, err)
			}
		case inBlock:
			block.WriteString(line)
		case bare == "<<<":
			inBlock = true
			block.Reset()
		case bare == "" || strings.HasPrefix(bare, "#"):
		case strings.HasPrefix(bare, "mode: "):
			ctx.mode = bare[len("mode: "):]
		case strings.HasPrefix(bare, "data: "):
			ctx.data = bare[len("data: "):]
		case strings.HasPrefix(bare, "options:"):
			ctx.options = strings.Fields(bare[len("options:"):])
		default:
			if err := run(&out, ctx, bare); err != nil {
				return fmt.Errorf("%s:%d: %w", path, i+1, err)
			}
		}
	}
	return os.WriteFile(strings.TrimSuffix(path, ".cases")+".want", []byte(out.String()), 0o644)
}

// run executes one case and appends its answer.
func run(out *strings.Builder, ctx context, text string) error {
	var data any
	if err := json.Unmarshal([]byte(ctx.data), &data); err != nil {
		return err
	}
	t := template.New("case").Option(ctx.options...)
	switch ctx.mode {
	case "language":
		t.Funcs(languageFuncs(t))
	case "helm":
		t.Funcs(helmFuncs(t, map[string]int{}))
	default:
		return fmt.Errorf("unknown mode %q", ctx.mode)
	}
	fmt.Fprintf(out, "%s\n", strconv.Quote(text))
	var buf strings.Builder
	if _, err := t.Parse(text); err != nil {
		fmt.Fprintf(out, "! %s\n", strconv.Quote(err.Error()))
	} else if err := t.Execute(&buf, data); err != nil {
		fmt.Fprintf(out, "! %s\n", strconv.Quote(err.Error()))
	} else {
		fmt.Fprintf(out, "= %s\n", strconv.Quote(buf.String()))
	}
	return nil
}
