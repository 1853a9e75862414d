"""How the comparison with CPython's own tests decides (cpython_suite.py): on what was printed, not on a run."""
from cpython_suite import TIMED_OUT, Run, judge, outcomes_in

PRINTED = """\
test_one (test.test_x.Group.test_one) ... ok
test_two (test.test_x.Group.test_two)
What it is for. ... noise
that takes a line of its own ... skipped 'no reason'
test_three (test.test_x.Group.test_three) ... FAIL
  test_three (test.test_x.Group.test_three) [part] ... ok
Child (4711) says that all is ... ok
test_four (test.test_x.Group.test_four) ... expected failure
FAIL: test_three (test.test_x.Group.test_three)
"""


def gives(status=0, **outcomes):
    return Run(status, outcomes, 1, 1.0, "")


def test_outcomes_are_read_from_what_unittest_prints():
    assert outcomes_in(PRINTED) == {
        "test_one (test.test_x.Group.test_one)": "ok", "test_two (test.test_x.Group.test_two)": "skipped",
        "test_three (test.test_x.Group.test_three)": "FAIL", "test_four (test.test_x.Group.test_four)": "expected"}


def test_the_same_is_no_difference():
    assert judge([gives(a="ok")] * 4, [gives(a="ok")] * 4) == ([], [])


def test_what_plain_python_never_gave_is_a_difference_from_the_second_time_on():
    plain, odd, good = [gives(a="ok")] * 4, gives(a="FAIL"), gives(a="ok")
    differ, unsteady = judge(plain, [odd, good, odd, good])
    assert differ == ["a: 4 ok; under Exuvia 2 FAIL, 2 ok"] and not unsteady
    differ, unsteady = judge(plain, [odd, good, good, good])
    assert not differ and len(unsteady) == 1


def test_a_test_that_is_unsteady_under_plain_python_is_no_difference():
    runs = [gives(a="ok"), gives(a="FAIL"), gives(a="ok"), gives(a="ok")]
    differ, unsteady = judge(runs, [gives(a="FAIL")] * 4)
    assert not differ and len(unsteady) == 1


def test_a_test_that_is_not_there_a_crash_and_a_hang_are_differences():
    plain = [gives(a="ok", b="ok")] * 2
    assert judge(plain, [gives(a="ok")] * 2)[0] == ["b: 2 ok; under Exuvia 2 missing"]
    assert judge(plain, [gives(-11, a="ok", b="ok")] * 2)[0] == [
        "the module: 2 status 0; under Exuvia 2 died of signal 11"]
    assert judge(plain, [gives(-11, a="ok", b="ok"), *plain])[0]  # once is enough
    assert "2 timed out" in judge(plain, [gives(TIMED_OUT, a="ok", b="ok")] * 2)[0][0]
