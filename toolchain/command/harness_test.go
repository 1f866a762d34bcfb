package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/blang/semver"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/integration"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// These tests call the provider as the engine does (Check, Diff, Create …), with real shells. They do not prove that the engine makes these calls in this
// order.

const commandType = tokens.Type("command:local:Command")

// testTimeout is much longer than any step here takes; reaching it means that something hangs.
const testTimeout = 20 * time.Second

type testServer struct {
	integration.Server
	t *testing.T
}

func newTestServer(t *testing.T) testServer {
	t.Helper()
	// Without a recorder, the output of the commands would hide that of the test.
	if _, recorded := slog.Default().Handler().(*logRecord); !recorded {
		recordLog(t)
	}
	server, err := integration.NewServer(t.Context(), providerName, semver.MustParse(version),
		integration.WithProvider(newProvider(200*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	return testServer{server, t}
}

func urn(name string) resource.URN {
	return resource.NewURN("test", "project", "", commandType, name)
}

func inputs(pairs ...any) property.Map {
	values := map[string]property.Value{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i].(string)] = value(pairs[i+1])
	}
	return property.NewMap(values)
}

func value(v any) property.Value {
	switch v := v.(type) {
	case property.Value:
		return v
	case []string:
		items := []property.Value{}
		for _, item := range v {
			items = append(items, property.New(item))
		}
		return property.New(property.NewArray(items))
	case map[string]string:
		items := map[string]property.Value{}
		for name, item := range v {
			items[name] = property.New(item)
		}
		return property.New(property.NewMap(items))
	case bool:
		return property.New(v)
	default:
		return property.New(v.(string))
	}
}

// check returns the inputs as the engine would pass them on; failures end the test.
func (s testServer) check(in property.Map) property.Map {
	s.t.Helper()
	response, err := s.Check(p.CheckRequest{Urn: urn("test"), Inputs: in})
	if err != nil || len(response.Failures) > 0 {
		s.t.Fatalf("check: %v %v", err, response.Failures)
	}
	return response.Inputs
}

func (s testServer) create(in property.Map) (p.CreateResponse, error) {
	s.t.Helper()
	return s.Create(p.CreateRequest{Urn: urn("test"), Properties: s.check(in)})
}

func (s testServer) mustCreate(in property.Map) p.CreateResponse {
	s.t.Helper()
	response, err := s.create(in)
	if err != nil {
		s.t.Fatal(err)
	}
	return response
}

func (s testServer) update(old p.CreateResponse, in property.Map) (property.Map, error) {
	s.t.Helper()
	response, err := s.Update(p.UpdateRequest{ID: old.ID, Urn: urn("test"), State: old.Properties, Inputs: s.check(in)})
	return response.Properties, err
}

func (s testServer) mustUpdate(old p.CreateResponse, in property.Map) property.Map {
	s.t.Helper()
	properties, err := s.update(old, in)
	if err != nil {
		s.t.Fatal(err)
	}
	return properties
}

func (s testServer) diff(old, in property.Map) p.DiffResponse {
	s.t.Helper()
	response, err := s.Diff(p.DiffRequest{ID: "id", Urn: urn("test"), State: old, OldInputs: old, Inputs: in})
	if err != nil {
		s.t.Fatal(err)
	}
	return response
}

func text(t *testing.T, m property.Map, key string) string {
	t.Helper()
	v := m.Get(key)
	if !v.IsString() {
		t.Fatalf("%s is %v, not a string", key, v)
	}
	return v.AsString()
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %q, want %q", what, got, want)
	}
}

func expectContains(t *testing.T, what, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, got)
		}
	}
}

// recordLog collects the lines that the provider logs during the test. Without an engine they go to slog.
func recordLog(t *testing.T) *logRecord {
	record := &logRecord{}
	before := slog.Default()
	slog.SetDefault(slog.New(record))
	t.Cleanup(func() { slog.SetDefault(before) })
	return record
}

type logRecord struct {
	mu    sync.Mutex
	lines []string
}

func (r *logRecord) Enabled(context.Context, slog.Level) bool { return true }
func (r *logRecord) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *logRecord) WithGroup(string) slog.Handler            { return r }

func (r *logRecord) Handle(_ context.Context, line slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line.Message)
	return nil
}

func (r *logRecord) joined() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "|")
}
