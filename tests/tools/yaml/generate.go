package main

import (
	"fmt"
	"math/rand"
	"strings"
)

// generator makes texts that go wrong easily; the same seed gives the same texts.
type generator struct {
	*rand.Rand
	anchors int
}

func (g *generator) pick(options ...string) string { return options[g.Intn(len(options))] }

func (g *generator) one(of string) byte { return of[g.Intn(len(of))] }

var words = []string{
	"a", "b", "key", "name", "yes", "no", "on", "off", "y", "n", "true", "False", "NULL", "~", "null", "", "=", "<<",
	"1", "0", "-1", "+1", "007", "08", "0o17", "0x1F", "0b11", "0b-1", "1_000", "1.0", "1.", ".5", "1e3", "1E-5", "-.inf", ".nan",
	"12345678901234567890", "18446744073709551615", "123456789012345678901234", "1e400", "2020-01-01", "2020-1-1",
	"2020-01-01T00:00:00Z", "2020-02-30", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43.10 -5", "2001-12-14 21:59:43.1",
	"1:20", "190:20:30", "1:60", "12:30:45.6", "http://example.com/a?b=c&d", "a:b", "a: b", "a #b", "a#b", "#x", "- x", "-x", "-", "--", "---",
	"...", "? x", "?x", ": x", ":x", "[a]", "{a: b}", "a]", "a, b", "&a", "*a", "!a", "!!str", "|", ">", "'", "\"", "it's", "say \"hi\"", "%a", "@a", "`a",
	"é", "日本語", "\u00a0", "\u2028", "\u2029", "\u0085", "\U0001F600", "\ufeff", "\ufffd", "\u007f", "\t", "a\tb", "\ta", "\r", "a\rb", "\x00", "\x1b", "\x07",
	"a\\b", "C:\\dir", "$(VAR)", "${VAR}", "{{ .Values.x }}", "quay.io/a/b:v1.2", "100m", "5Gi", "0.1", "a.b/c", "*.example.com",
	"the quick brown fox jumps over the lazy dog and", "a-very-long-word-without-any-blank-that-goes-on-and-on-and-on-until-the-column-is-exceeded",
}

var pieces = []string{" ", "  ", "\n", "\n\n", " \n", "\n ", "\n  ", "a", "b", "word", "x y", ":", ": ", " #", "#", "-", "'", "\"", "\\", "\t", ",", "é", "1", "0", ".", "e", "_", "longer-word", "lorem ipsum dolor sit amet", "\u2028", "\r\n", "{", "}", "[", "]", "*", "&", "!", "%", "@", "~", "\U0001F600", "\u0085", "+"}

// scalarText is a text that some rule of scalar analysis cares about.
func (g *generator) scalarText() string {
	switch g.Intn(8) {
	case 0:
		return g.pick(words...)
	case 1:
		return g.pick(words...) + g.pick(pieces...) + g.pick(words...)
	case 2, 3:
		var b strings.Builder
		for i := g.Intn(12); i >= 0; i-- {
			b.WriteString(g.pick(pieces...))
		}
		return b.String()
	case 4:
		// Sentences around the folding column.
		var b strings.Builder
		for n := 60 + g.Intn(160); b.Len() < n; {
			b.WriteString(strings.Repeat("x", 1+g.Intn(14)))
			b.WriteString(g.pick(" ", " ", " ", " ", "  ", ", ", ": ", "' ", "é ", " \""))
		}
		if g.Intn(2) == 0 {
			return strings.TrimSpace(b.String())
		}
		return b.String()
	case 5:
		// Lines.
		var b strings.Builder
		for i := g.Intn(6); i >= 0; i-- {
			b.WriteString(g.pick("", " ", "  ", "\t", "") + g.pick(words...) + g.pick("\n", "\n", "\n\n", " \n", "\r\n"))
		}
		if g.Intn(2) == 0 {
			return strings.TrimRight(b.String(), "\n")
		}
		return b.String()
	case 6:
		// Number-like.
		var b strings.Builder
		for i := g.Intn(8); i >= 0; i-- {
			b.WriteString(g.pick("0", "1", "2", "7", "8", "9", ".", "-", "+", "e", "E", "x", "o", "b", "_", ":", "a", "f", "T", "Z", " "))
		}
		return b.String()
	default:
		var b strings.Builder
		for i := g.Intn(9); i >= 0; i-- {
			b.WriteByte(g.one("abyn01 :#-?!&*'\"\\|>%@`{}[],.=<~/\n\t"))
		}
		return b.String()
	}
}

// document is a random document; hurt ones have a few characters changed.
func (g *generator) document(hurt bool) string {
	g.anchors = 0
	var b strings.Builder
	if g.Intn(12) == 0 {
		b.WriteString(g.pick("---\n", "--- # c\n", "# comment\n", "%YAML 1.1\n---\n", "\n\n", "--- \n", "%TAG !e! tag:example.com,2000:\n---\n", "\ufeff"))
	}
	count := 1
	if g.Intn(8) == 0 {
		count += 1 + g.Intn(3)
	}
	for i := 1; ; i++ {
		if g.Intn(6) == 0 {
			b.WriteString(strings.TrimLeft(g.block(0, 0), " "))
		} else {
			b.WriteString(g.mapping(0, 0))
		}
		if i == count {
			break
		}
		b.WriteString(g.pick("---\n", "---\n", "...\n---\n", "---  # next\n", "...\n", "--- text\n"))
	}
	text := b.String()
	if g.Intn(25) == 0 {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	if g.Intn(10) == 0 {
		text = strings.TrimRight(text, "\n")
	}
	if hurt {
		for i := g.Intn(3); i >= 0 && len(text) > 0; i-- {
			runes := []rune(text)
			at := g.Intn(len(runes))
			switch g.Intn(3) {
			case 0:
				runes = append(runes[:at], runes[at+1:]...)
			case 1:
				runes[at] = rune(g.one(" \n:-#'\"[]{},&*!|>%@`?\ta0~\r\\<=."))
			default:
				insert := []rune(g.pick(" ", "\n", ":", ": ", "- ", "#", "'", "\"", "[", "]", "{", "}", ",", "&a ", "*a", "!", "|\n", ">\n", "? ", "\t", "---\n", "...\n", "\n  ", "%"))
				runes = append(runes[:at], append(insert, runes[at:]...)...)
			}
			text = string(runes)
		}
	}
	return text
}

func pad(n int) string { return strings.Repeat(" ", n) }

func (g *generator) comment() string {
	if g.Intn(10) == 0 {
		return g.pick(" # comment", "  # a: b", " #")
	}
	return ""
}

func (g *generator) gap(indent int) string {
	switch g.Intn(25) {
	case 0:
		return "\n"
	case 1:
		return pad(indent) + "# comment\n"
	case 2:
		return pad(g.Intn(6)) + "# elsewhere: x\n"
	case 3:
		return "   \n"
	}
	return ""
}

func (g *generator) anchor() string {
	if g.Intn(12) == 0 {
		g.anchors++
		return fmt.Sprintf("&x%d ", g.anchors)
	}
	return ""
}

func (g *generator) tag() string {
	if g.Intn(60) == 0 {
		return g.pick("!!str ", "!!int ", "!!float ", "!!bool ", "!!null ", "!local ", "! ", "!!binary ", "!!map ", "!!seq ", "!!timestamp ", "!e!x ", "!<tag:yaml.org,2002:str> ", "!!set ")
	}
	return ""
}

// mapping is a block mapping, each line ending in a break.
func (g *generator) mapping(indent, depth int) string {
	var b strings.Builder
	used := map[string]bool{}
	for i := 1 + g.Intn(4); i > 0; i-- {
		b.WriteString(g.gap(indent))
		if g.Intn(40) == 0 {
			b.WriteString(pad(indent) + "? " + g.inline(depth) + g.comment() + "\n" + pad(indent) + ":")
		} else if g.anchors > 0 && g.Intn(15) == 0 {
			b.WriteString(fmt.Sprintf("%s<<: %s\n", pad(indent), g.pick(fmt.Sprintf("*x%d", 1+g.Intn(g.anchors)), fmt.Sprintf("[*x%d, *x1]", 1+g.Intn(g.anchors)), "{m: 1}", "{n: 1, m: {o: 2}}", "[{a: 1}, {a: 2, b: 3}]")))
			continue
		} else {
			key := g.key()
			if used[key] && g.Intn(10) > 0 {
				key = "k" + fmt.Sprint(len(used))
			}
			used[key] = true
			b.WriteString(pad(indent) + key + g.pick("", "", "", "", " ") + ":")
		}
		b.WriteString(g.value(indent, depth, true))
	}
	return b.String()
}

func (g *generator) key() string {
	switch g.Intn(14) {
	case 0:
		q := g.quoted()
		if g.Intn(20) > 0 {
			q = strings.ReplaceAll(q, "\n", " ")
		}
		if q == "'true'" || q == "\"true\"" || q == "'1'" || q == "\"1\"" {
			return "'text'" // Beside true or 1, Go's answer depends on its map order.
		}
		return q
	case 1:
		if g.Intn(3) > 0 {
			return g.pick("yes", "n", "off")
		}
		return g.pick("yes", "n", "1", "1.5", "true", "null", "~", "2020-01-01", "0x1F", "<<", "=")
	case 2:
		if g.Intn(12) == 0 {
			return g.pick("[a]", "{a: 1}", "a\tb")
		}
		return g.pick("a b", "a-b/c.d", "é", "a:b", "key#x", "-a", "?b", "\"\"", "''")
	}
	return g.pick("apiVersion", "kind", "metadata", "name", "spec", "labels", "a", "b", "c10", "c9", "data", "x", "y", "ports", "containers", "image", "args")
}

// value follows "key:" or "-" and ends in a break.
func (g *generator) value(indent, depth int, inMapping bool) string {
	step := 2
	if g.Intn(8) == 0 {
		step = 1 + g.Intn(5)
	}
	if depth > 3 {
		return " " + g.inline(depth) + g.comment() + "\n"
	}
	switch g.Intn(12) {
	case 0, 1, 2:
		return strings.TrimRight(" "+g.tag()+g.anchor(), " ") + g.comment() + "\n" + g.mapping(indent+step, depth+1)
	case 3, 4:
		at := indent + step
		if inMapping && g.Intn(2) == 0 {
			at = indent
		}
		return strings.TrimRight(" "+g.anchor(), " ") + g.comment() + "\n" + g.sequence(at, depth+1)
	case 5:
		return " " + g.tag() + g.anchor() + g.blockScalar(indent)
	case 6:
		return g.pick("", " ", "  ") + g.comment() + "\n"
	case 7:
		return " " + g.tag() + g.anchor() + g.multiline(indent+1+g.Intn(3)) + g.comment() + "\n"
	}
	return g.pick(" ", " ", " ", "  ", "\n"+pad(indent+2)) + g.tag() + g.anchor() + g.inline(depth) + g.comment() + "\n"
}

func (g *generator) sequence(indent, depth int) string {
	var b strings.Builder
	for i := 1 + g.Intn(4); i > 0; i-- {
		b.WriteString(g.gap(indent))
		b.WriteString(pad(indent) + "-")
		switch g.Intn(8) {
		case 0, 1, 2:
			if depth < 5 {
				inner := indent + 2
				b.WriteString(" " + strings.TrimLeft(g.mappingOnly(inner, depth+1), " "))
				continue
			}
		case 3:
			if depth < 5 {
				b.WriteString(" " + strings.TrimLeft(g.sequence(indent+2, depth+1), " "))
				continue
			}
		}
		b.WriteString(g.value(indent, depth, false))
	}
	return b.String()
}

// mappingOnly is a mapping without a comment or blank line before its first key.
func (g *generator) mappingOnly(indent, depth int) string {
	m := g.mapping(indent, depth)
	for {
		line, rest, _ := strings.Cut(m, "\n")
		trimmed := strings.TrimSpace(line)
		if rest == "" || trimmed != "" && trimmed[0] != '#' {
			return m
		}
		m = rest
	}
}

func (g *generator) block(indent, depth int) string {
	switch g.Intn(4) {
	case 0:
		return g.sequence(indent, depth)
	case 1:
		return g.inline(depth) + "\n"
	case 2:
		return g.blockScalar(indent)
	}
	return g.mapping(indent, depth)
}

// inline is a value on one line, mostly.
func (g *generator) inline(depth int) string {
	switch g.Intn(16) {
	case 0, 1:
		return g.quoted()
	case 2:
		if depth < 6 {
			return g.flow(depth + 1)
		}
	case 3:
		if g.anchors > 0 {
			return fmt.Sprintf("*x%d", 1+g.Intn(g.anchors))
		}
	case 4:
		if g.Intn(4) == 0 {
			return g.pick(words...)
		}
	}
	return g.pick("text", "1", "80", "true", "nginx:1.25", "a b c", "0755", "\"5\"", "1.0", "yes", "2020-01-01", "null", "~", "http://x.y/z", "-1", "1e3", "x # y"[:1], "some longer plain text with words", "a'b", "a\"b", "*.x"[1:], "0x10", "100m", "9e99", "5Gi")
}

func (g *generator) flow(depth int) string {
	var b strings.Builder
	blank := func() string {
		return g.pick("", "", "", " ", " ", "\n"+pad(4+2*depth), "  # c\n"+pad(4+2*depth), g.pick("", "\t", "\n"))
	}
	if g.Intn(2) == 0 {
		b.WriteString("[" + blank())
		n := g.Intn(4)
		for i := 0; i < n; i++ {
			if g.Intn(10) == 0 {
				b.WriteString(g.pick("k", "\"q\"", "? k") + ": ")
			}
			b.WriteString(g.flowItem(depth))
			if i < n-1 || g.Intn(6) == 0 {
				b.WriteString(blank() + "," + blank())
			}
		}
		b.WriteString(blank() + "]")
		return b.String()
	}
	b.WriteString("{" + blank())
	n := g.Intn(4)
	for i := 0; i < n; i++ {
		b.WriteString(g.pick("a", "b", "c", "k1", "\"q\"", "'s'", "yes", "1", "long key") + g.pick(": ", ": ", ": ", ": ", ": ", ": ", ": ", " : ", g.pick(":", "")) + g.flowItem(depth))
		if i < n-1 || g.Intn(6) == 0 {
			b.WriteString(blank() + "," + blank())
		}
	}
	b.WriteString(blank() + "}")
	return b.String()
}

func (g *generator) flowItem(depth int) string {
	if g.Intn(6) == 0 && depth < 6 {
		return g.flow(depth + 1)
	}
	switch g.Intn(10) {
	case 0, 1:
		return g.quoted()
	case 2:
		if g.Intn(6) == 0 {
			return g.pick(words...)
		}
	case 3:
		return ""
	}
	return g.anchor() + g.pick("x", "1", "true", "a b", "http://x", "-1", "a:b", "null", "1.5", "x-y", "on")
}

func (g *generator) quoted() string {
	if g.Intn(2) == 0 {
		s := g.pick("a", "", "it''s", "a: b", "# no", " lead", "trail ", "1", "true", "two\n  lines", "par\n\n  agraph", "a\\n", "tab\there", "é")
		return "'" + s + "'"
	}
	s := g.pick("a", "", "q\\\"q", "tab\\t", "\\n", "\\x41", "\\u00e9", "\\U0001F600", "a: b", " lead", "trail ", "1", "two\n  lines", "par\n\n  agraph", "cont\\\n   inued", "\\e\\0\\a\\b\\v\\f\\r", "\\_\\N\\L\\P", "a\\  b", "a # b", "sp \n  ace")
	if g.Intn(20) == 0 {
		s = g.pick("bad\\q", "\\/", "\\ud83d\\ude00", "x\\x4", "\\U00110000")
	}
	return "\"" + s + "\""
}

// multiline is a plain or quoted scalar over several lines.
func (g *generator) multiline(indent int) string {
	sep := func() string { return g.pick("\n", "\n", "\n\n", " \n", "\n\n\n", "\n \n") + pad(indent) }
	body := g.pick("some", "text", "1") + sep() + g.pick("more words", "x#y", "- dash", "two", "?q", "a b", "x:y", "wide   gap", g.pick("z", "z", "and: colon")) + sep() + g.pick("end", "last", "0")
	switch g.Intn(4) {
	case 0:
		return "'" + body + "'"
	case 1:
		return "\"" + body + "\""
	}
	return body
}

// blockScalar starts with its header and ends in a break.
func (g *generator) blockScalar(indent int) string {
	var b strings.Builder
	b.WriteString(g.pick("|", "|", "|", ">", ">"))
	inner := 2
	switch g.Intn(10) {
	case 0:
		inner = 1 + g.Intn(4)
		b.WriteString(fmt.Sprint(inner) + g.pick("", "-", "+"))
	case 1:
		inner = 1 + g.Intn(4)
		b.WriteString(g.pick("-", "+") + fmt.Sprint(inner))
	default:
		b.WriteString(g.pick("", "", "-", "+"))
	}
	b.WriteString(g.pick("", "", "", "", " ", " # comment"))
	b.WriteString("\n")
	for i := g.Intn(6); i >= 0; i-- {
		switch g.Intn(10) {
		case 0:
			b.WriteString("\n")
		case 1:
			b.WriteString(pad(indent+inner) + g.pick(" ", "  ", "\t") + "more indented\n")
		case 2:
			b.WriteString(pad(g.Intn(indent+inner+2)) + "\n")
		case 3:
			b.WriteString(pad(indent+inner) + "trailing " + g.pick("", " ", "\t") + "\n")
		default:
			b.WriteString(pad(indent+inner) + g.pick("line", "a: b", "- x", "# not a comment", "text with words", "---", "\"quoted\"", "{{ x }}", "é", "https://a.b/c?d=e", "longer line that has many words in it and goes on for quite a while until eighty") + "\n")
		}
	}
	for i := g.Intn(4) - 1; i > 0; i-- {
		b.WriteString("\n")
	}
	return b.String()
}
