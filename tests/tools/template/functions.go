package main

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"text/template"
	_ "unsafe" // for go:linkname

	_ "helm.sh/helm/v4/pkg/engine"
)

//go:linkname engineFuncs helm.sh/helm/v4/pkg/engine.funcMap
func engineFuncs() template.FuncMap

// helmFuncs are the functions of Helm's engine, bound to t as the engine binds them.
func helmFuncs(t *template.Template, counts map[string]int) template.FuncMap {
	funcs := engineFuncs()
	funcs["include"] = func(name string, data any) (string, error) {
		if counts[name] > 1000 {
			return "", fmt.Errorf("rendering template has a nested reference name: %s: %w", name, errors.New("unable to execute template"))
		}
		counts[name]++
		var buf strings.Builder
		err := t.ExecuteTemplate(&buf, name, data)
		counts[name]--
		return buf.String(), err
	}
	funcs["tpl"] = func(text string, data any) (string, error) {
		clone, err := t.Clone()
		if err != nil {
			return "", err
		}
		bound := helmFuncs(clone, counts)
		clone.Funcs(template.FuncMap{"include": bound["include"], "tpl": bound["tpl"]})
		named, err := clone.New(t.Name()).Parse(text)
		if err != nil {
			return "", fmt.Errorf("cannot parse template %q: %w", text, err)
		}
		var buf strings.Builder
		if err := named.Execute(&buf, data); err != nil {
			return "", fmt.Errorf("error during tpl function execution for %q: %w", text, err)
		}
		return strings.ReplaceAll(buf.String(), "<no value>", ""), nil
	}
	funcs["required"] = func(message string, value any) (any, error) {
		if value == nil || value == "" {
			return value, errors.New(message)
		}
		return value, nil
	}
	funcs["fail"] = func(message string) (string, error) { return "", errors.New(message) }
	funcs["getHostByName"] = func(string) string { return "" }
	return funcs
}

// languageFuncs give the cases of the language what they need to reach every type; the Rust runner has the same ones.
func languageFuncs(t *template.Template) template.FuncMap {
	funcs := template.FuncMap{
		"typed":      typed,
		"list":       func(v ...any) []any { return v },
		"strs":       func(v ...string) []string { return v },
		"ints":       func(v ...int) []int { return v },
		"bytes":      func(s string) []byte { return []byte(s) },
		"raw":        func(v ...int) string { return rawText(v) },
		"dict":       dict,
		"smap":       func(k, v string) map[string]string { return map[string]string{k: v} },
		"nilmap":     func() map[string]any { return nil },
		"nillist":    func() []any { return nil },
		"nilstrs":    func() []string { return nil },
		"nothing":    func() any { return nil },
		"self":       func(v any) any { return v },
		"set":        func(m map[string]any, k string, v any) map[string]any { m[k] = v; return m },
		"fails":      func(s string) (string, error) { return "", errors.New(s) },
		"panics":     func(s string) string { panic(s) },
		"takesInt":   func(n int) string { return fmt.Sprintf("int %d", n) },
		"takesInt8":  func(n int8) string { return fmt.Sprintf("int8 %d", n) },
		"takesInt64": func(n int64) string { return fmt.Sprintf("int64 %d", n) },
		"takesUint8": func(n uint8) string { return fmt.Sprintf("uint8 %d", n) },
		"takesUint":  func(n uint) string { return fmt.Sprintf("uint %d", n) },
		"takesFloat": func(f float64) string { return fmt.Sprintf("float64 %v", f) },
		"takesBool":  func(b bool) string { return fmt.Sprintf("bool %v", b) },
		"takesText":  func(s string) string { return fmt.Sprintf("string %q", s) },
		"takesMap":   func(m map[string]any) string { return fmt.Sprintf("map %v %v", m == nil, m) },
		"takesList":  func(l []any) string { return fmt.Sprintf("list %v %v", l == nil, l) },
		"takesStrs":  func(l []string) string { return fmt.Sprintf("strs %v %v", l == nil, l) },
		"takesTwo":   func(s string, n int) string { return fmt.Sprintf("%q %d", s, n) },
		"takesMany":  func(s string, n ...int) string { return fmt.Sprintf("%q %v", s, n) },
		"takesAny":   func(v any) string { return fmt.Sprintf("any %v", v) },
		"zero":       func() string { return "0 args" },
		"typeOf":     func(v any) string { return fmt.Sprintf("%T", v) },
		"kindOf":     func(v any) string { return reflect.ValueOf(v).Kind().String() },
		"thing":      func() *thing { return &thing{Name: "box", Size: 3, Tags: []string{"a", "b"}} },
		"names":      func(v ...string) names { return v },
		"celsius":    func(n int) celsius { return celsius(n) },
		"adder":      func() func(int, int) int { return func(a, b int) int { return a + b } },
		"joiner": func() func(string, ...string) string {
			return func(sep string, s ...string) string { return strings.Join(s, sep) }
		},
	}
	include := func(name string, data any) (string, error) {
		var buf strings.Builder
		err := t.ExecuteTemplate(&buf, name, data)
		return buf.String(), err
	}
	maps.Copy(funcs, template.FuncMap{"include": include})
	return funcs
}

// thing has fields and methods of all sorts.
type thing struct {
	Name string
	Size int
	Tags []string
}

func (t *thing) Greet(who string) string { return t.Name + " greets " + who }
func (t *thing) Hello() string           { return "hello from " + t.Name }
func (t *thing) Fail() (string, error)   { return "", errors.New("thing fails") }
func (t *thing) Sum(first int, n ...int) int {
	for _, x := range n {
		first += x
	}
	return first
}

// names is a defined type over a slice, with a method.
type names []string

func (n names) Has(name string) bool {
	for _, x := range n {
		if x == name {
			return true
		}
	}
	return false
}

// celsius is a defined type over an integer that prints itself.
type celsius int

func (c celsius) String() string { return fmt.Sprintf("%d degrees", int(c)) }

func rawText(v []int) string {
	b := make([]byte, len(v))
	for i, n := range v {
		b[i] = byte(n)
	}
	return string(b)
}

func dict(v ...any) map[string]any {
	m := map[string]any{}
	for i := 0; i+1 < len(v); i += 2 {
		m[v[i].(string)] = v[i+1]
	}
	return m
}

// typed converts a number to the named type.
func typed(name string, n float64) (any, error) {
	switch name {
	case "int":
		return int(n), nil
	case "int8":
		return int8(n), nil
	case "int16":
		return int16(n), nil
	case "int32":
		return int32(n), nil
	case "int64":
		return int64(n), nil
	case "uint":
		return uint(n), nil
	case "uint8":
		return uint8(n), nil
	case "uint16":
		return uint16(n), nil
	case "uint32":
		return uint32(n), nil
	case "uint64":
		return uint64(n), nil
	case "float32":
		return float32(n), nil
	case "float64":
		return n, nil
	}
	return nil, fmt.Errorf("no type %s", name)
}
