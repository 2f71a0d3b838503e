package acceptance

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"handover/api"
)

// lines are the lines of the log, and the spans, of which keep holds.
func (l *recordedLog) lines(t testing.TB, keep func(object) bool) []object {
	t.Helper()
	var kept []object
	for line := range strings.Lines(l.String()) {
		var got object
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatalf("a line is not JSON: %v: %s", err, line)
		}
		if keep(got) {
			kept = append(kept, got)
		}
	}
	return kept
}

// metric is the value of one series; NaN-less text of the value, or empty where it is not told.
func (s *service) metric(t testing.TB, series string) string {
	t.Helper()
	text := string(s.ask(t, "", "getMetrics", ask{}).must(200).Body)
	found := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(text)
	if found == nil {
		return ""
	}
	return found[1]
}

const (
	givenTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	givenParent = "00f067aa0ba902b7"
)

// What one request sets going can be followed: in the log by its request id, in the traces by its trace, in the metrics by kind.
func TestFollowedThroughLogTracesAndMetrics(t *testing.T) {
	t.Parallel()
	s, log := startRecorded(t)
	w := s.organization(t)
	lea, ann := w.member("member"), w.member("member")
	w.matter("everyone", lea)
	now := w.reassign(handOver(lea, allTo(ann)), header{"Idempotency-Key", "observed"}, header{"X-Request-Id", "observed-now"}).must(200)
	w.reassign(handOver(lea, allTo(ann)), header{"Idempotency-Key", "observed"}).must(200)
	w.reassign(handOver(lea, allTo(lea)), header{"Idempotency-Key", "observed"})
	w.matter("everyone", lea)
	later := w.finished(w.reassign(handOver(lea, allTo(ann)), async, header{"X-Request-Id", "observed-later"},
		header{"traceparent", "00-" + givenTrace + "-" + givenParent + "-01"}).must(202))
	scheduled := decode[api.Run](w.reassign(handOver(lea, allTo(ann), object{"run_at": soon(time.Hour)})).must(202))

	of := map[string]any{
		"request_id": "observed-later", "organization_id": w.ID.String(), "staff_id": w.Admin.ID.String(), "operation": "reassignWork",
	}
	carries := func(line object, more map[string]any) {
		t.Helper()
		for name, want := range of {
			if line[name] != want {
				t.Errorf("%s is %v, not %v, in %v", name, line[name], want, line)
			}
		}
		for name, want := range more {
			if line[name] != want {
				t.Errorf("%s is %v, not %v, in %v", name, line[name], want, line)
			}
		}
	}

	t.Run("each line of the request, of its run and of the mails it sets going carries the same", func(t *testing.T) {
		is := func(message string) []object {
			return log.lines(t, func(line object) bool { return line["msg"] == message && line["request_id"] == "observed-later" })
		}
		eventually(t, "the run's job is logged", func() bool { return len(is("job")) > 0 })
		requests, jobs, runs := is("request"), is("job"), is("run")
		if len(requests) != 1 || len(jobs) != 1 || len(runs) != 1 {
			t.Fatalf("got %d lines of requests, %d of jobs, %d of runs", len(requests), len(jobs), len(runs))
		}
		carries(requests[0], map[string]any{"method": "POST", "route": "/v1/reassign-work", "status": 202.0, "trace_id": givenTrace})
		carries(jobs[0], map[string]any{"job_kind": "run", "queue": "default", "attempt": 1.0, "outcome": "done", "run_id": later.ID.MustGet().String()})
		carries(runs[0], map[string]any{"job_kind": "run", "status": "succeeded", "run_id": later.ID.MustGet().String()})
		if requests[0]["bytes"].(float64) <= 0 || requests[0]["duration_ms"].(float64) <= 0 || jobs[0]["duration_ms"].(float64) <= 0 {
			t.Errorf("got %v and %v", requests[0], jobs[0])
		}
	})
	t.Run("the request is a part of the caller's trace, and its job, in a trace of its own, is linked to it", func(t *testing.T) {
		spans := func(keep func(object) bool) []object {
			return log.lines(t, func(line object) bool { return line["span"] != nil && keep(line) })
		}
		ofRequest := spans(func(span object) bool { return span["trace"] == givenTrace })
		roots := slices.DeleteFunc(slices.Clone(ofRequest), func(span object) bool { return span["parent"] != givenParent })
		if len(roots) != 1 || roots[0]["span"] != "POST /v1/reassign-work" || roots[0]["kind"] != "server" {
			t.Fatalf("got roots %v", roots)
		}
		var job object
		eventually(t, "the job's span has ended", func() bool {
			found := spans(func(span object) bool {
				return span["span"] == "job run" && strings.Contains(fmt.Sprint(span["links"]), givenTrace)
			})
			if len(found) == 1 {
				job = found[0]
			}
			return job != nil
		})
		if job["trace"] == givenTrace {
			t.Error("the job is in the trace of the request")
		}
		names := map[string]int{}
		for _, span := range spans(func(span object) bool { return span["trace"] == job["trace"] }) {
			names[span["span"].(string)]++
		}
		for _, stage := range []string{"run facts", "run plan", "run apply", "run record", "COMMIT", "UPDATE matters", "INSERT runs"} {
			if names[stage] == 0 {
				t.Errorf("there is no span %s in %v", stage, names)
			}
		}
		for _, span := range ofRequest {
			if span["span"] == "INSERT river.river_job" {
				return
			}
		}
		t.Errorf("that the job was queued is not in the trace of the request")
	})
	t.Run("runs, keys, jobs and what waits are counted", func(t *testing.T) {
		eventually(t, "the run's job is counted", func() bool { return s.metric(t, `handover_jobs_total{kind="run",outcome="done"}`) == "1" })
		for series, want := range map[string]string{
			`handover_runs_total{kind="reassign_work",status="succeeded"}`:                 "2",
			`handover_runs_total{kind="undo",status="failed"}`:                             "0",
			`handover_run_items_count{kind="reassign_work"}`:                               "2",
			`handover_run_items_sum{kind="reassign_work"}`:                                 "2",
			`handover_run_duration_seconds_count{kind="reassign_work",status="succeeded"}`: "2",
			`handover_idempotency_keys_total{outcome="new"}`:                               "1",
			`handover_idempotency_keys_total{outcome="replayed"}`:                          "1",
			`handover_idempotency_keys_total{outcome="in_use"}`:                            "0",
			`handover_runs_unfinished{status="scheduled"}`:                                 "1",
			`handover_runs_unfinished{status="queued"}`:                                    "0",
			`handover_runs_oldest_queued_seconds`:                                          "0",
			`handover_queue_jobs{queue="default",state="scheduled"}`:                       "1",
			`handover_notification_streams`:                                                "0",
			`http_requests_in_flight`:                                                      "1",
			`http_requests_total{operation="reassignWork",status="202"}`:                   "2",
		} {
			if got := s.metric(t, series); got != want {
				t.Errorf("%s is %q, not %s", series, got, want)
			}
		}
		// Nobody sends mails here.
		if waiting := s.metric(t, `handover_mails_waiting`); waiting == "" || waiting == "0" || waiting != s.metric(t, `handover_queue_jobs{queue="mail",state="available"}`) {
			t.Errorf("%q mails wait", waiting)
		}
		if oldest := s.metric(t, `handover_mails_oldest_waiting_seconds`); oldest == "" || oldest == "0" {
			t.Errorf("the oldest mail waits since %q", oldest)
		}
	})
	t.Run("a run that is cancelled is counted as such, and no longer scheduled, though its job is", func(t *testing.T) {
		s.ask(t, w.Admin.Token, "cancelRun", inPath("run_id", scheduled.ID.MustGet().String()).sending(object{})).must(200)
		if cancelled, left := s.metric(t, `handover_runs_total{kind="reassign_work",status="cancelled"}`), s.metric(t, `handover_runs_unfinished{status="scheduled"}`); cancelled != "1" || left != "0" {
			t.Errorf("got %s cancelled and %s scheduled", cancelled, left)
		}
		if job := s.metric(t, `handover_queue_jobs{queue="default",state="scheduled"}`); job != "1" {
			t.Errorf("got %s jobs", job)
		}
	})
	t.Run("metrics name nobody", func(t *testing.T) {
		text := string(s.ask(t, "", "getMetrics", ask{}).must(200).Body)
		for _, id := range []string{w.ID.String(), lea.ID.String(), decode[api.Run](now).ID.MustGet().String(), "observed"} {
			if strings.Contains(text, id) {
				t.Errorf("%s is told", id)
			}
		}
	})
}
