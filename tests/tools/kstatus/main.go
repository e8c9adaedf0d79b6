// Prints kstatus' verdict on every example object of fixtures/health: the oracle of tests/it/health.rs.
//
//	cd tests/tools/kstatus && go run . ../../../fixtures/health/examples/*.json > ../../../fixtures/health/kstatus.json
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

type example struct {
	Case   string          `json:"case"`
	Object json.RawMessage `json:"object"`
}

func main() {
	out := map[string]map[string]string{}
	for _, path := range os.Args[1:] {
		text, err := os.ReadFile(path)
		if err != nil {
			fail(path, err)
		}
		var examples []example
		if err := json.Unmarshal(text, &examples); err != nil {
			fail(path, err)
		}
		verdicts := map[string]string{}
		for _, e := range examples {
			var u unstructured.Unstructured
			if err := u.UnmarshalJSON(e.Object); err != nil {
				fail(path+": "+e.Case, err)
			}
			result, err := status.Compute(&u)
			if err != nil {
				verdicts[e.Case] = "error"
				continue
			}
			verdicts[e.Case] = string(result.Status)
		}
		out[filepath.Base(path)] = verdicts
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		fail("output", err)
	}
	fmt.Println(string(text))
}

func fail(where string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", where, err)
	os.Exit(1)
}
