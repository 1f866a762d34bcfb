package main

import (
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// withOutputs returns the state of a resource with these inputs whose command printed nothing.
func withOutputs(in property.Map) property.Map {
	return in.Set("stdout", property.New("")).Set("stderr", property.New(""))
}

func TestOnlyChangedTriggersReplaceTheResource(t *testing.T) {
	base := func(more ...any) property.Map {
		return inputs(append([]any{"create", "true", "triggers", []string{"a", "b"}}, more...)...)
	}
	unknown := property.New(property.NewArray([]property.Value{property.New("a"), property.New(property.Computed)}))
	tests := []struct {
		name             string
		next             property.Map
		changes, replace bool
	}{
		{"nothing", base(), false, false},
		{"a changed trigger", base("triggers", []string{"a", "c"}), true, true},
		{"a further trigger", base("triggers", []string{"a", "b", "c"}), true, true},
		{"a trigger less", base("triggers", []string{"a"}), true, true},
		{"no triggers", base().Delete("triggers"), true, true},
		{"a trigger that is not known yet", base("triggers", unknown), true, true},
		{"create", base("create", "false"), true, false},
		{"delete", base("delete", "true"), true, false},
		{"environment", base("environment", map[string]string{"A": "1"}), true, false},
		{"stdin", base("stdin", "text"), true, false},
		{"interpreter", base("interpreter", []string{"/bin/sh", "-ec"}), true, false},
		{"logging", base("logging", "none"), true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := newTestServer(t)
			diff := server.diff(withOutputs(base()), test.next)
			if diff.HasChanges != test.changes || replaces(diff) != test.replace {
				t.Errorf("changes %v, replaces %v; want %v, %v: %v",
					diff.HasChanges, replaces(diff), test.changes, test.replace, diff.DetailedDiff)
			}
			if diff.DeleteBeforeReplace {
				t.Error("the old resource would be deleted before it is replaced")
			}
		})
	}
}

func replaces(diff p.DiffResponse) bool {
	for _, change := range diff.DetailedDiff {
		switch change.Kind {
		case p.AddReplace, p.DeleteReplace, p.UpdateReplace:
			return true
		}
	}
	return false
}

func TestIsWithinMatchesThePropertyAndWhatLiesBelowIt(t *testing.T) {
	for path, want := range map[string]bool{"triggers": true, "triggers[0]": true, "triggers.a": true, "triggersLike": false, "create": false} {
		if got := isWithin(path, "triggers"); got != want {
			t.Errorf("isWithin(%q) is %v", path, got)
		}
	}
}
