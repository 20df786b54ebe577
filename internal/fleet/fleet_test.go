package fleet_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/situ-dev/situ/internal/api"
)

// Two deployments run on one platform, from archive to answer, and over its end and
// its kill.
func TestTwoDeployments(t *testing.T) {
	r := newRig(t)
	if status, body, err := r.ask("POST", "/v1/functions/a-who", "application/json", []byte("{}")); err != nil || status != 404 {
		t.Errorf("before there is anything: %d %s, %v", status, body, err)
	}
	for _, name := range []string{"a", "b"} {
		out := r.deploy(name+"1", "", 201)
		if out.Number != 1 || !out.New || out.Weight != 1 || !strings.HasPrefix(out.Version, name+"@") {
			t.Errorf("deployed: %+v", out)
		}
		if again := r.deploy(name+"1", "", 200); again.New || again.Version != out.Version {
			t.Errorf("the same once more: %+v", again)
		}
	}
	for round, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, 0} {
		for _, name := range []string{"a", "b"} {
			if got := r.add(name, "k"); got != (told{round + 1, name + "1"}) {
				t.Errorf("round %d: %+v", round, got)
			}
			if got := r.who(name); got != name+"1" {
				t.Errorf("round %d: %s", round, got)
			}
		}
		if sig != 0 {
			r.end(sig)
			r.start()
		}
	}
}

// What cannot run changes nothing and leaves nothing behind.
func TestRefusedDeploys(t *testing.T) {
	r := newRig(t)
	r.deploy("broken", "", 500) // the deployment b, which is not there yet
	if status, body, _ := r.ask("GET", "/v1/deployments/b", "", nil); status != 404 || r.bundles() != 0 {
		t.Errorf("a deployment of what is broken: %d %s, and %d bundles", status, body, r.bundles())
	}
	r.deploy("b1", "", 201)
	r.deploy("broken", "", 500)
	r.deploy("b2", "?steps=0.5,0.1&hold=1m", 400)
	for path, want := range map[string]int{"b/promote": 404, "b/weights": 400, "b/rollback": 409, "c/off": 404} {
		if status, body, _ := r.ask("POST", "/v1/deployments/"+path, "application/json", []byte(map[string]string{"b/promote": `{"version":"7"}`}[path])); status != want {
			t.Errorf("%s: %d %s, want %d", path, status, body, want)
		}
	}
	if d := r.act("GET", "b", ""); len(d.Versions) != 1 || r.bundles() != 1 || r.who("b") != "b1" {
		t.Errorf("after what was refused: %+v, and %d bundles", d, r.bundles())
	}
}

// A second version takes over under load: no call fails, none is lost, none counts
// twice; and it goes back in the same way. So does what messages do.
func TestRolling(t *testing.T) {
	r := newRig(t)
	r.deploy("a1", "", 201)
	const callers = 8
	stop := make(chan struct{})
	var group sync.WaitGroup
	calls := make([]int, callers)
	for c := range callers {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				status, body, err := r.ask("POST", fmt.Sprintf("/v1/objects/a-tally/k%d/add", c), "application/json", []byte("1"))
				if err != nil || status != 200 {
					t.Errorf("call %d of k%d: %d %s, %v", calls[c], c, status, body, err)
					return
				}
				calls[c]++
				if status, body, err = r.ask("POST", "/v1/functions/a-who", "application/json", []byte("{}")); err != nil || status != 200 {
					t.Errorf("a function: %d %s, %v", status, body, err)
					return
				}
			}
		})
	}
	pushes := 0
	push := func() {
		if status, body, err := r.ask("POST", "/v1/objects/a-tally/pusher/push", "application/json", []byte("200")); err != nil || status != 200 {
			t.Errorf("push: %d %s, %v", status, body, err)
		}
		pushes++
	}
	push()
	r.deploy("a2", "", 201)
	push()
	if got := r.who("a"); got != "a2" {
		t.Errorf("after the second version: %s", got)
	}
	for range 3 {
		r.act("POST", "a/rollback", "")
		push()
		r.act("POST", "a/promote", `{"version":"2"}`)
		push()
	}
	close(stop)
	group.Wait()
	for c, n := range calls {
		if got := r.add("a", fmt.Sprint("k", c)); got.N != n+1 || got.By != "a2" {
			t.Errorf("k%d counts %+v after %d calls", c, got, n+1)
		}
	}
	sum := 0
	for i := range 200 {
		for k := 0; ; k++ { // messages that are still on their way
			var o api.Object
			_, body, err := r.ask("GET", fmt.Sprintf("/v1/objects/a-tally/p%d", i), "", nil)
			var st struct{ N int }
			if err == nil && json.Unmarshal(body, &o) == nil && json.Unmarshal(o.State, &st) == nil && st.N == pushes || k == 100 {
				sum += st.N
				break
			}
		}
	}
	if sum != 200*pushes {
		t.Errorf("%d messages have arrived of %d", sum, 200*pushes)
	}
}

// A version that fails one call in five is taken back by itself within five seconds at
// a hundred calls a second, and no asynchronous call is lost.
func TestRollbackByItself(t *testing.T) {
	r := newRig(t)
	r.deploy("a1", "", 201)
	out := r.deploy("a2bad", "?steps=0.3&hold=1m&errors=0.1", 201)
	if out.Weight != 0.3 {
		t.Fatalf("deployed: %+v", out)
	}
	began := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var ids []string
	var group sync.WaitGroup
	var mu sync.Mutex
	for i := 0; ; i++ {
		<-tick.C
		group.Go(func() {
			req, err := http.NewRequest("POST", fmt.Sprintf("http://%s/v1/objects/a-tally/k%d/add", r.addr, i), strings.NewReader("1"))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Prefer", "respond-async")
			resp, err := http.DefaultClient.Do(req)
			if err != nil || resp.StatusCode != 202 {
				t.Errorf("an asynchronous call: %v, %v", resp, err)
				return
			}
			_ = resp.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			ids = append(ids, resp.Header.Get("Location"))
		})
		if i%10 == 0 {
			if d := r.act("GET", "a", ""); d.Rollout == nil {
				t.Logf("back after %v and %d calls: %s", time.Since(began).Round(time.Millisecond), i, d.Events[0].What)
				if d.Versions[1].Weight != 1 || !strings.Contains(d.Events[0].What, "calls failed") {
					t.Errorf("it went on: %+v", d)
				}
				break
			}
		}
		if time.Since(began) > 5*time.Second {
			t.Error("it was not taken back within 5 s")
			break
		}
	}
	group.Wait()
	for _, id := range ids {
		if status, body, err := r.ask("GET", id+"?wait=10s", "", nil); err != nil || status != 200 || !strings.Contains(string(body), `"status":"done"`) && !strings.Contains(string(body), "this version is bad") {
			t.Errorf("%s: %d %s, %v", id, status, body, err)
		}
	}
}

// What is off parks what comes, over a kill, and lets it go when it is on.
func TestOffAndOn(t *testing.T) {
	r := newRig(t)
	r.deploy("a1", "", 201)
	r.add("a", "k")
	r.act("POST", "a/off", `{"reason":"a look at it"}`)
	if status, body, _ := r.ask("POST", "/v1/objects/a-tally/k/add", "application/json", []byte("1")); status != 503 {
		t.Errorf("a call that waits: %d %s", status, body)
	}
	const n = 50
	for range n {
		req, _ := http.NewRequest("POST", "http://"+r.addr+"/v1/objects/a-tally/k/add", strings.NewReader("1"))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Prefer", "respond-async")
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != 202 {
			t.Fatalf("%v, %v", resp, err)
		}
		_ = resp.Body.Close()
	}
	r.end(syscall.SIGKILL)
	r.start()
	if d := r.act("GET", "a", ""); d.Off == nil || d.Off.Parked != n || d.Off.Reason != "a look at it" {
		t.Errorf("it is %+v", d.Off)
	}
	r.act("POST", "a/on", `{"rate":1000}`)
	for k := 0; ; k++ { // until all that is older has run, who waits is told to come back
		status, body, _ := r.ask("POST", "/v1/objects/a-tally/k/add", "application/json", []byte("1"))
		if status == 200 {
			break
		} else if status != 503 || k == 10_000 {
			t.Fatalf("when it is on: %d %s", status, body)
		}
	}
	for k := 0; ; k++ {
		if status, body, _ := r.ask("GET", "/v1/objects/a-tally/k", "", nil); status == 200 && strings.Contains(string(body), fmt.Sprintf(`"N":%d`, n+2)) {
			break
		} else if k == 1000 {
			t.Fatalf("not all has arrived: %s", body)
		}
	}
}

// What is deleted goes on until its time is over, and is gone then with its bundles.
func TestDelete(t *testing.T) {
	r := newRig(t)
	r.deploy("a1", "", 201)
	if d := r.act("DELETE", "a?grace=1h", ""); d.Ends.IsZero() || r.who("a") != "a1" {
		t.Errorf("in its time of grace: %+v", d)
	}
	r.deploy("a1", "", 200)
	if d := r.act("GET", "a", ""); !d.Ends.IsZero() {
		t.Errorf("deployed again: %+v", d)
	}
	r.act("DELETE", "a", "")
	if status, body, _ := r.ask("POST", "/v1/functions/a-who", "application/json", []byte("{}")); status != 404 {
		t.Errorf("it is deleted: %d %s", status, body)
	}
	if left, err := os.ReadDir(filepath.Join(r.dir, "bundles")); err != nil || len(left) > 0 {
		t.Errorf("bundles that are left: %v, %v", left, err)
	}
	r.end(syscall.SIGKILL)
	r.start()
	if status, _, _ := r.ask("GET", "/v1/deployments/a", "", nil); status != 404 {
		t.Errorf("after a kill: %d", status)
	}
}
