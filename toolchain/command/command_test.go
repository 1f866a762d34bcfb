package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

func TestCreateCapturesBothStreamsWithoutTheirLastNewline(t *testing.T) {
	created := newTestServer(t).mustCreate(inputs("create", "printf 'a\\nb\\n'; echo oops >&2"))
	expect(t, "stdout", text(t, created.Properties, "stdout"), "a\nb")
	expect(t, "stderr", text(t, created.Properties, "stderr"), "oops")
	if !strings.HasPrefix(created.ID, "test") || len(created.ID) != len("test")+8 {
		t.Errorf("id is %q, want the name and 8 hex digits", created.ID)
	}
}

func TestCreateWithoutACommandDoesNothing(t *testing.T) {
	created := newTestServer(t).mustCreate(inputs("delete", "true"))
	expect(t, "stdout", text(t, created.Properties, "stdout"), "")
}

func TestPreviewRunsNothing(t *testing.T) {
	server, mark := newTestServer(t), filepath.Join(t.TempDir(), "mark")
	in := server.check(inputs("create", "touch "+mark))
	response, err := server.Create(p.CreateRequest{Urn: urn("test"), Properties: in, DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.Update(p.UpdateRequest{Urn: urn("test"), State: withOutputs(in), Inputs: in, DryRun: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(mark); err == nil {
		t.Error("the command ran in a preview")
	}
	if !response.Properties.Get("stdout").IsComputed() {
		t.Errorf("stdout in preview is %v, want unknown", response.Properties.Get("stdout"))
	}
}

func TestTheInterpreterIsShUnlessAnotherIsGiven(t *testing.T) {
	server := newTestServer(t)
	standard := server.mustCreate(inputs("create", `echo "$0"; false; echo still here`))
	expect(t, "stdout of the default interpreter", text(t, standard.Properties, "stdout"), "/bin/sh\nstill here")

	own := server.mustCreate(inputs("create", "last", "interpreter", []string{"/bin/echo", "first"}))
	expect(t, "stdout of /bin/echo first", text(t, own.Properties, "stdout"), "first last")

	_, err := server.create(inputs("create", "false; echo unreachable", "interpreter", []string{"/bin/sh", "-ec"}))
	if err == nil {
		t.Error("sh -e went on after a failure")
	}
}

func TestStdinDirAndEnvironmentReachTheCommand(t *testing.T) {
	server, dir := newTestServer(t), t.TempDir()
	t.Setenv("ARCHON_INHERITED", "from the deployer")
	t.Setenv("ARCHON_OVERRIDDEN", "no")
	created := server.mustCreate(inputs(
		"create", `cat; pwd; echo "$ARCHON_INHERITED, $ARCHON_OVERRIDDEN"`,
		"stdin", "line on stdin\n",
		"dir", dir,
		"environment", map[string]string{"ARCHON_OVERRIDDEN": "yes"},
	))
	expect(t, "stdout", text(t, created.Properties, "stdout"), "line on stdin\n"+dir+"\nfrom the deployer, yes")

	_, err := server.create(inputs("create", "true", "dir", filepath.Join(dir, "missing")))
	if err == nil {
		t.Error("a missing directory was accepted")
	}
}

func TestStdinIsEmptyWhereNoneIsGiven(t *testing.T) {
	created := newTestServer(t).mustCreate(inputs("create", "cat; echo end"))
	expect(t, "stdout", text(t, created.Properties, "stdout"), "end")
}

func TestFailureNamesStatusCommandAndOutput(t *testing.T) {
	_, err := newTestServer(t).create(inputs("create", "echo to stdout; echo to stderr >&2; exit 3"))
	if err == nil {
		t.Fatal("a non-zero exit was accepted")
	}
	expectContains(t, "the error", err.Error(), "exit status 3", "exit 3", "to stdout", "to stderr")
}

func TestFailureRepeatsOnlyTheEndOfLongOutput(t *testing.T) {
	_, err := newTestServer(t).create(inputs("create", "seq 1 100000; echo the reason >&2; exit 1"))
	if err == nil {
		t.Fatal("a non-zero exit was accepted")
	}
	expectContains(t, "the error", err.Error(), "bytes are left out", "the reason")
	if len(err.Error()) > errorOutput+1024 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}

func TestUpdateRunsCreateAgain(t *testing.T) {
	server := newTestServer(t)
	create := `echo "$VALUE after $PULUMI_COMMAND_STDOUT and $PULUMI_COMMAND_STDERR"; echo "e$VALUE" >&2`
	first := server.mustCreate(inputs("create", create, "environment", map[string]string{"VALUE": "1"}))
	expect(t, "stdout of create", text(t, first.Properties, "stdout"), "1 after  and ")

	second := server.mustUpdate(first, inputs("create", create, "environment", map[string]string{"VALUE": "2"}))
	expect(t, "stdout of update", text(t, second, "stdout"), "2 after 1 after  and  and e1")
	expect(t, "stderr of update", text(t, second, "stderr"), "e2")
}

func TestUpdatePrefersItsOwnCommand(t *testing.T) {
	server := newTestServer(t)
	first := server.mustCreate(inputs("create", "echo created", "update", "echo updated"))
	second := server.mustUpdate(first, inputs("create", "echo created anew", "update", "echo updated"))
	expect(t, "stdout", text(t, second, "stdout"), "updated")
}

func TestUpdateWithoutACommandKeepsTheOutputs(t *testing.T) {
	server := newTestServer(t)
	first := server.mustCreate(inputs("create", "echo kept"))
	expect(t, "stdout", text(t, server.mustUpdate(first, inputs("delete", "true")), "stdout"), "kept")
}

func TestFailedUpdateIsAnError(t *testing.T) {
	server := newTestServer(t)
	first := server.mustCreate(inputs("create", "true"))
	if _, err := server.update(first, inputs("create", "exit 4")); err == nil {
		t.Error("a failed update was accepted")
	}
}

func TestPreviousOutputStaysOutOfTheEnvironmentOnRequest(t *testing.T) {
	server := newTestServer(t)
	create := `echo "previous: $PULUMI_COMMAND_STDOUT"`
	first := server.mustCreate(inputs("create", create, "addPreviousOutputInEnv", false))
	second := server.mustUpdate(first, inputs("create", create, "addPreviousOutputInEnv", false, "stdin", "changed"))
	expect(t, "stdout", text(t, second, "stdout"), "previous: ")
}

func TestDeleteRunsItsCommandWithThePreviousOutput(t *testing.T) {
	server, mark := newTestServer(t), filepath.Join(t.TempDir(), "mark")
	remove := func(in property.Map) error {
		created := server.mustCreate(in)
		return server.Delete(p.DeleteRequest{ID: created.ID, Urn: urn("test"), Properties: created.Properties})
	}
	if err := remove(inputs("create", "echo thing", "delete", `printf "$PULUMI_COMMAND_STDOUT" > `+mark)); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(mark)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "what delete saw of the previous output", string(written), "thing")

	if err := remove(inputs("create", "true")); err != nil {
		t.Errorf("delete without a command: %v", err)
	}
	if err := remove(inputs("create", "true", "delete", "exit 5")); err == nil {
		t.Error("a failed delete was accepted")
	}
}

// secretEnvironment has one secret alone, and inside a longer secret.
func secretEnvironment() property.Value {
	return property.New(property.NewMap(map[string]property.Value{
		"TOKEN":  property.New("s3cret").WithSecret(true),
		"HEADER": property.New("Bearer s3cret").WithSecret(true),
		"PUBLIC": property.New("public"),
	}))
}

func TestSecretsReachTheProcessAndStaySecret(t *testing.T) {
	created := newTestServer(t).mustCreate(inputs("create", "echo $TOKEN", "environment", secretEnvironment()))
	stdout := created.Properties.Get("stdout")
	if !stdout.Secret() || stdout.AsString() != "s3cret" {
		t.Errorf("stdout is %v, want a secret", stdout)
	}
	if !created.Properties.Get("stderr").Secret() {
		t.Error("stderr is not a secret")
	}
	if !created.Properties.Get("environment").AsMap().Get("TOKEN").Secret() {
		t.Errorf("environment lost its secret: %v", created.Properties.Get("environment"))
	}
	if created.Properties.Get("create").Secret() {
		t.Error("create became a secret")
	}
}

func TestSecretsAreHiddenFromLogAndError(t *testing.T) {
	record := recordLog(t)
	_, err := newTestServer(t).create(inputs(
		"create", property.New("echo $TOKEN; echo $HEADER $PUBLIC; exit 1 # inline").WithSecret(true),
		"environment", secretEnvironment(),
	))
	if err == nil {
		t.Fatal("a non-zero exit was accepted")
	}
	expect(t, "log", record.joined(), "[secret]|[secret] public")
	expectContains(t, "the error", err.Error(), "exit status 1", "[secret]", "public")
	for _, hidden := range []string{"s3cret", "Bearer", "inline"} {
		if strings.Contains(err.Error(), hidden) {
			t.Errorf("the error shows %q:\n%s", hidden, err)
		}
	}
}

func TestSecretsOfTheStateAreHiddenToo(t *testing.T) {
	server := newTestServer(t)
	created := server.mustCreate(inputs("create", "true", "delete", "echo $TOKEN; exit 1", "environment", secretEnvironment()))
	err := server.Delete(p.DeleteRequest{ID: created.ID, Urn: urn("test"), Properties: created.Properties})
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("delete: %v", err)
	}
}

func TestOutputThatIsNotTextIsReplaced(t *testing.T) {
	created := newTestServer(t).mustCreate(inputs("create", `printf 'a\377b'`))
	expect(t, "stdout", text(t, created.Properties, "stdout"), "a\uFFFDb")
}
