package main

import (
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

func TestCheckRefusesWhatIsNotSupported(t *testing.T) {
	unknown := property.New(property.Computed)
	tests := []struct {
		property string
		value    any
		reason   string
	}{
		{"assetPaths", []string{"*.txt"}, "is not supported"},
		{"archivePaths", []string{"*.txt"}, "is not supported"},
		{"assetPaths", unknown, "is not supported"},
		{"logging", "everything", `is "everything"; allowed are stdout, stderr, stdoutAndStderr, none`},
	}
	for _, test := range tests {
		server := newTestServer(t)
		response, err := server.Check(p.CheckRequest{Urn: urn("test"), Inputs: inputs("create", "true", test.property, test.value)})
		if err != nil {
			t.Fatal(err)
		}
		if len(response.Failures) != 1 {
			t.Fatalf("%s: %d failures: %v", test.property, len(response.Failures), response.Failures)
		}
		expect(t, "property", response.Failures[0].Property, test.property)
		expectContains(t, "reason", response.Failures[0].Reason, test.reason)
	}
}

func TestCheckKeepsTheInputsAsTheyWereGiven(t *testing.T) {
	given := inputs("create", "true", "logging", "none", "triggers", []string{"a"}, "addPreviousOutputInEnv", false)
	checked := newTestServer(t).check(given)
	if !property.New(checked).Equals(property.New(given)) {
		t.Errorf("inputs became %v", checked)
	}
}

func TestCheckAcceptsValuesThatAreNotKnownYet(t *testing.T) {
	unknown := property.New(property.Computed)
	newTestServer(t).check(inputs("create", unknown, "logging", unknown, "environment", unknown, "triggers", unknown))
}
