// Command openapi writes the tables in src/kustomize/tables/ from the data that kustomize v5.8.1 embeds: merge keys and
// cluster scope of Kubernetes' published OpenAPI v1.21.2, and the default transformer configuration.
//
//	cd tests/tools/openapi && go run . ../../../src/kustomize/tables && cargo fmt
package main

import (
	"bytes"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/kustomize/api/internal/plugins/builtinconfig"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

const head = "// Written by tests/tools/openapi from kustomize v5.8.1 (api and kyaml v0.21.1). Do not edit.\n\n"

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: openapi DIR")
	}
	write(filepath.Join(os.Args[1], "merge_keys.rs"), mergeKeys())
	write(filepath.Join(os.Args[1], "scope.rs"), scope())
	write(filepath.Join(os.Args[1], "config.rs"), config())
}

func write(path string, body string) {
	if err := os.WriteFile(path, []byte(head+body), 0o644); err != nil {
		log.Fatal(err)
	}
}

func refName(s spec.Schema) string {
	return strings.TrimPrefix(s.Ref.String(), "#/definitions/")
}

// node is what a schema leads to: a definition by name, or an anonymous schema held in place.
type node struct {
	name     string
	schema   spec.Schema
	fields   map[string]*node // by property name; "*" for additionalProperties
	elements *node
	strategy string
	keys     []string
	useful   bool
	id       int
}

type graph struct {
	defs   spec.Definitions
	byName map[string]*node
	all    []*node
}

func (g *graph) of(s spec.Schema) *node {
	if name := refName(s); name != "" {
		if n, ok := g.byName[name]; ok {
			return n
		}
		n := &node{name: name}
		g.byName[name] = n
		g.fill(n, g.defs[name])
		return n
	}
	n := &node{}
	g.fill(n, s)
	return n
}

func (g *graph) fill(n *node, s spec.Schema) {
	// A reference to a reference is followed, as the original does.
	for refName(s) != "" {
		s = g.defs[refName(s)]
	}
	g.all = append(g.all, n)
	n.schema = s
	n.fields = map[string]*node{}
	rs := &openapi.ResourceSchema{Schema: &s}
	n.strategy, n.keys = rs.PatchStrategyAndKeyList()
	for name, p := range s.Properties {
		n.fields[name] = g.of(p)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
		n.fields["*"] = g.of(*s.AdditionalProperties.Schema)
	}
	if len(s.Type) == 1 && s.Type[0] == "array" && s.Items != nil && s.Items.Schema != nil {
		n.elements = g.of(*s.Items.Schema)
	}
}

func merges(strategy string) bool {
	for _, s := range strings.Split(strategy, ",") {
		if s == "merge" {
			return true
		}
	}
	return false
}

// mergeKeys keeps the schemas that lead to a list which strategic merge patches merge.
func mergeKeys() string {
	defs := openapi.Schema().Definitions
	g := &graph{defs: defs, byName: map[string]*node{}}
	var names []string
	for name := range defs {
		names = append(names, name)
	}
	sort.Strings(names)
	roots := map[yaml.TypeMeta]*node{}
	for _, name := range names {
		n := g.of(*spec.RefSchema("#/definitions/" + name))
		exts, _ := defs[name].Extensions["x-kubernetes-group-version-kind"].([]interface{})
		for _, e := range exts {
			m := e.(map[string]interface{})
			api := m["version"].(string)
			if grp, _ := m["group"].(string); grp != "" {
				api = grp + "/" + api
			}
			roots[yaml.TypeMeta{APIVersion: api, Kind: m["kind"].(string)}] = n
		}
	}
	for changed := true; changed; {
		changed = false
		for _, n := range g.all {
			u := n.useful || merges(n.strategy)
			for _, f := range n.fields {
				u = u || f.useful
			}
			u = u || (n.elements != nil && n.elements.useful)
			if u != n.useful {
				n.useful, changed = u, true
			}
		}
	}
	// Equal rows are one row: number the nodes until nothing changes.
	key := func(n *node) string {
		var b bytes.Buffer
		if merges(n.strategy) {
			fmt.Fprintf(&b, "m%v", n.keys)
		}
		var fs []string
		for f, c := range n.fields {
			if c.useful {
				fs = append(fs, fmt.Sprintf("%s=%d", f, c.id))
			}
		}
		sort.Strings(fs)
		fmt.Fprintf(&b, "%v", fs)
		if n.elements != nil && n.elements.useful {
			fmt.Fprintf(&b, "e%d", n.elements.id)
		}
		return b.String()
	}
	for round := 0; ; round++ {
		seen := map[string]int{}
		changed := false
		var next []int
		for _, n := range g.all {
			if !n.useful {
				next = append(next, 0)
				continue
			}
			k := key(n)
			if _, ok := seen[k]; !ok {
				seen[k] = len(seen) + 1
			}
			next = append(next, seen[k])
		}
		for i, n := range g.all {
			if n.id != next[i] {
				n.id, changed = next[i], true
			}
		}
		if !changed {
			break
		}
	}
	var out bytes.Buffer
	out.WriteString("use super::{Kind, Row};\n\n")
	out.WriteString("/// The schemas that lead to a list which strategic merge patches merge. Row 0 leads nowhere.\n")
	out.WriteString("pub(crate) static ROWS: &[Row] = &[\n    Row { merge: None, fields: &[], elements: 0 },\n")
	done := map[int]bool{0: true}
	byID := map[int]*node{}
	max := 0
	for _, n := range g.all {
		if !done[n.id] {
			done[n.id] = true
			byID[n.id] = n
		}
		if n.id > max {
			max = n.id
		}
	}
	for i := 1; i <= max; i++ {
		n := byID[i]
		merge := "None"
		if merges(n.strategy) {
			merge = fmt.Sprintf("Some(&%s)", quoted(n.keys))
		}
		var fs []string
		for f, c := range n.fields {
			if c.useful {
				fs = append(fs, fmt.Sprintf("(%q, %d)", f, c.id))
			}
		}
		sort.Strings(fs)
		elements := 0
		if n.elements != nil && n.elements.useful {
			elements = n.elements.id
		}
		fmt.Fprintf(&out, "    Row { merge: %s, fields: &[%s], elements: %d },\n", merge, strings.Join(fs, ", "), elements)
	}
	out.WriteString("];\n\n/// The kinds with a schema, in byte order of apiVersion and kind.\npub(crate) static KINDS: &[Kind] = &[\n")
	var metas []yaml.TypeMeta
	for m := range roots {
		metas = append(metas, m)
	}
	byMeta(metas)
	for _, m := range metas {
		fmt.Fprintf(&out, "    Kind { api_version: %q, kind: %q, row: %d },\n", m.APIVersion, m.Kind, roots[m].id)
	}
	out.WriteString("];\n\n/// Definitions that lead to a merged list, in byte order; custom schemas may refer to them.\n")
	out.WriteString("pub(crate) static DEFINITIONS: &[(&str, u16)] = &[\n")
	for _, name := range names {
		if n := g.byName[name]; n.id != 0 {
			fmt.Fprintf(&out, "    (%q, %d),\n", name, n.id)
		}
	}
	out.WriteString("];\n")
	return out.String()
}

func quoted(keys []string) string {
	var q []string
	for _, k := range keys {
		q = append(q, fmt.Sprintf("%q", k))
	}
	return "[" + strings.Join(q, ", ") + "]"
}

func byMeta(metas []yaml.TypeMeta) {
	sort.Slice(metas, func(i, j int) bool {
		if metas[i].APIVersion != metas[j].APIVersion {
			return metas[i].APIVersion < metas[j].APIVersion
		}
		return metas[i].Kind < metas[j].Kind
	})
}

// scope lists every kind that the original certainly knows to be cluster-scoped.
func scope() string {
	openapi.Schema()
	var out bytes.Buffer
	out.WriteString("/// Kinds known to be cluster-scoped as (kind, group, version), in byte order.\npub(crate) static CLUSTER_SCOPED: &[(&str, &str, &str)] = &[\n")
	var metas []yaml.TypeMeta
	seen := map[yaml.TypeMeta]bool{}
	for _, d := range openapi.Schema().Definitions {
		exts, _ := d.Extensions["x-kubernetes-group-version-kind"].([]interface{})
		for _, e := range exts {
			m := e.(map[string]interface{})
			api := m["version"].(string)
			if grp, _ := m["group"].(string); grp != "" {
				api = grp + "/" + api
			}
			tm := yaml.TypeMeta{APIVersion: api, Kind: m["kind"].(string)}
			if !seen[tm] && openapi.IsCertainlyClusterScoped(tm) {
				seen[tm] = true
				metas = append(metas, tm)
			}
		}
	}
	for _, tm := range extraKinds {
		if !seen[tm] && openapi.IsCertainlyClusterScoped(tm) {
			seen[tm] = true
			metas = append(metas, tm)
		}
	}
	sort.Slice(metas, func(i, j int) bool {
		if metas[i].Kind != metas[j].Kind {
			return metas[i].Kind < metas[j].Kind
		}
		return metas[i].APIVersion < metas[j].APIVersion
	})
	for _, m := range metas {
		group, version, found := strings.Cut(m.APIVersion, "/")
		if !found {
			group, version = "", m.APIVersion
		}
		fmt.Fprintf(&out, "    (%q, %q, %q),\n", m.Kind, group, version)
	}
	out.WriteString("];\n")
	return out.String()
}

// extraKinds are asked for by name because no definition carries them.
var extraKinds = []yaml.TypeMeta{
	{APIVersion: "v1", Kind: "NodeProxyOptions"},
}

func config() string {
	c := builtinconfig.MakeDefaultConfig()
	var out bytes.Buffer
	out.WriteString("use super::{DefaultReference, DefaultSpec};\n\n")
	list := func(name, doc string, fs types.FsSlice) {
		fmt.Fprintf(&out, "/// %s\npub(crate) static %s: &[DefaultSpec] = &[\n", doc, name)
		for _, f := range fs {
			fmt.Fprintf(&out, "    %s,\n", defaultSpec(f))
		}
		out.WriteString("];\n\n")
	}
	list("NAME_PREFIX", "Fields that namePrefix changes.", c.NamePrefix)
	list("NAME_SUFFIX", "Fields that nameSuffix changes.", c.NameSuffix)
	list("NAMESPACE", "Fields that namespace changes.", c.NameSpace)
	list("COMMON_LABELS", "Fields that commonLabels changes.", c.CommonLabels)
	list("LABELS", "Fields that labels changes without further options.", c.Labels)
	list("TEMPLATE_LABELS", "Fields that labels with includeTemplates changes.", c.TemplateLabels)
	list("COMMON_ANNOTATIONS", "Fields that commonAnnotations changes.", c.CommonAnnotations)
	list("VAR_REFERENCE", "Fields in which vars are replaced.", c.VarReference)
	list("IMAGES", "Fields that images changes.", c.Images)
	list("REPLICAS", "Fields that replicas changes.", c.Replicas)
	out.WriteString("/// Which kinds are referred to by name, and from where.\npub(crate) static NAME_REFERENCE: &[DefaultReference] = &[\n")
	for _, r := range c.NameReference {
		fmt.Fprintf(&out, "    DefaultReference {\n        group: %q,\n        version: %q,\n        kind: %q,\n        referrers: &[\n",
			r.Group, r.Version, r.Kind)
		for _, f := range r.Referrers {
			fmt.Fprintf(&out, "            %s,\n", defaultSpec(f))
		}
		out.WriteString("        ],\n    },\n")
	}
	out.WriteString("];\n")
	return out.String()
}

func defaultSpec(f types.FieldSpec) string {
	return fmt.Sprintf("DefaultSpec { group: %q, version: %q, kind: %q, path: %q, create: %v }",
		f.Group, f.Version, f.Kind, f.Path, f.CreateIfNotPresent)
}
