//! `diff`.

use super::Case;

pub(super) const CASES: &[Case] = &[
    Case::new("diff a.txt b.txt", "1d0\n< apple\n3c2\n< cherry\n---\n> date\n").failed(1, ""),
    Case::new("diff a.txt a.txt", ""),
    Case::new("diff -q a.txt b.txt", "Files a.txt and b.txt differ\n").failed(1, ""),
    Case::new("diff -s a.txt a.txt", "Files a.txt and a.txt are identical\n"),
    Case::new("diff a.txt nope", "").failed(2, "diff: nope: No such file or directory\n"),
    Case::new("diff -u --label x --label y a.txt b.txt", "--- x\n+++ y\n@@ -1,3 +1,2 @@\n-apple\n banana\n-cherry\n+date\n").failed(1, ""),
    Case::new("diff a.txt empty", "1,3d0\n< apple\n< banana\n< cherry\n").failed(1, ""),
    Case::new("diff empty a.txt", "0a1,3\n> apple\n> banana\n> cherry\n").failed(1, ""),
    Case::new("diff nonl.txt a.txt", "1c1,3\n< no newline\n\\ No newline at end of file\n---\n> apple\n> banana\n> cherry\n").failed(1, ""),
    Case::new("diff -u --label x --label y nonl.txt a.txt", "--- x\n+++ y\n@@ -1 +1,3 @@\n-no newline\n\\ No newline at end of file\n+apple\n+banana\n+cherry\n").failed(1, ""),
    Case::new("diff - a.txt", "2a3\n> cherry\n").fed("apple\nbanana\n").failed(1, ""),
    Case::new("diff -i - a.txt", "").fed("APPLE\nbanana\ncherry\n"),
    Case::new("diff -u --label x --label y - text.txt", "--- x\n+++ y\n@@ -1,7 +1,6 @@\n The quick brown fox\n-jumps over the lazy cat.\n+jumps over the lazy dog.\n foo bar foo\n FOO Bar\n-new\n x1 y22 z333\n end\n").fed("The quick brown fox\njumps over the lazy cat.\nfoo bar foo\nFOO Bar\nnew\nx1 y22 z333\nend\n").failed(1, ""),
    Case::new("diff -U1 --label x --label y - text.txt", "--- x\n+++ y\n@@ -1,3 +1,3 @@\n The quick brown fox\n-jumps over the lazy cat.\n+jumps over the lazy dog.\n foo bar foo\n@@ -5 +5,2 @@\n x1 y22 z333\n+end\n").fed("The quick brown fox\njumps over the lazy cat.\nfoo bar foo\nFOO Bar\nx1 y22 z333\n").failed(1, ""),
    Case::new("diff -U0 --label x --label y - num.txt", "--- x\n+++ y\n@@ -2,0 +3 @@\n+2\n@@ -5 +5,0 @@\n-11\n").fed("10\n9\n1.5\n-3\n11\n10\n007\n").failed(1, ""),
    Case::new("diff -w - csv.txt", "").fed("name, qty,price\nred,3,2.50\nblue,10,0.99\ngreen,3,12.00\n"),
    Case::new("diff - num.txt", "0a1\n> 10\n4c5\n< 10\n---\n> -3\n7d7\n< 8\n").fed("9\n2\n1.5\n10\n10\n007\n8\n").failed(1, ""),
    Case::new("diff -q dir/one.txt b.txt", "Files dir/one.txt and b.txt differ\n").failed(1, ""),
    Case::new("diff a.txt dir/one.txt", "1,3c1\n< apple\n< banana\n< cherry\n---\n> one\n").failed(1, ""),
    Case::new("diff - b.txt", "2d1\n< banana\n").fed("banana\nbanana\ndate\n").failed(1, ""),
    Case::new("diff -b - text.txt", "").fed("The quick  brown fox \njumps over the lazy dog.\nfoo bar foo\nFOO Bar\nx1 y22 z333\nend\n"),
    Case::new("diff -u --label a --label b - a.txt", "--- a\n+++ b\n@@ -1,6 +1,3 @@\n apple\n banana\n cherry\n-apple\n-banana\n-cherry\n").fed("apple\nbanana\ncherry\napple\nbanana\ncherry\n").failed(1, ""),
];
