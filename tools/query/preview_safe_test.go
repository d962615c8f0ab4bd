package query

import (
	"testing"

	"sallyport/tools"
)

// TestAPreviewRunsNothingThatWasNotUnderstood: not even EXPLAIN, which runs functions. What the catalog says is shown all the same.
func TestAPreviewRunsNothingThatWasNotUnderstood(t *testing.T) {
	f := open(t, `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, 'v' FROM generate_series(1, 10) g; CREATE SEQUENCE ran;
CREATE FUNCTION spy(int) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM nextval(''ran''); RETURN true; END';`)
	i := f.preview("DELETE FROM t WHERE spy(id) AND spy(1)")
	if i == nil || i.Unknown != "it was not understood" || i.Rows.Is != tools.NotCounted || i.Sample != nil || i.Object != "public.t" {
		t.Errorf("%+v", i)
	}
	if got := f.one("SELECT is_called FROM ran"); got != "f" {
		t.Error("the function ran")
	}
	// An error of the read is "not counted", and says nothing of why.
	if i := f.preview("DELETE FROM t WHERE 1 / (id - 5) > 0"); i.Unknown != "it could not be counted" || i.Rows.Is != tools.NotCounted {
		t.Errorf("%+v", i)
	}
}
