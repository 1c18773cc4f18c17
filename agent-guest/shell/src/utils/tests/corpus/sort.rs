//! `sort`.

use super::Case;

pub(super) const CASES: &[Case] = &[
    Case::new("sort num.txt", "-3\n007\n1.5\n10\n10\n2\n9\n"),
    Case::new("sort -n num.txt", "-3\n1.5\n2\n007\n9\n10\n10\n"),
    Case::new("sort -rn num.txt", "10\n10\n9\n007\n2\n1.5\n-3\n"),
    Case::new("sort -u num.txt", "-3\n007\n1.5\n10\n2\n9\n"),
    Case::new("sort -nu num.txt", "-3\n1.5\n2\n007\n9\n10\n"),
    Case::new("sort a.txt b.txt", "apple\nbanana\nbanana\ncherry\ndate\n"),
    Case::new("sort -r a.txt", "cherry\nbanana\napple\n"),
    Case::new("sort -t, -k2,2n csv.txt", "name,qty,price\ngreen,3,12.00\nred,3,2.50\nblue,10,0.99\n"),
    Case::new("sort -t, -k2n -k1,1r csv.txt", "name,qty,price\nred,3,2.50\ngreen,3,12.00\nblue,10,0.99\n"),
    Case::new("sort -t, -k3 -g csv.txt", "name,qty,price\nblue,10,0.99\nred,3,2.50\ngreen,3,12.00\n"),
    Case::new(
        "sort -f text.txt",
        "end\nFOO Bar\nfoo bar foo\njumps over the lazy dog.\nThe quick brown fox\nx1 y22 z333\n",
    ),
    Case::new(
        "sort -k2 text.txt",
        "end\nFOO Bar\nfoo bar foo\njumps over the lazy dog.\nThe quick brown fox\nx1 y22 z333\n",
    ),
    Case::new("sort -c a.txt", ""),
    Case::new("sort -c num.txt", "").failed(1, "sort: num.txt:3: disorder: 2\n"),
    Case::new("sort -C num.txt", "").failed(1, ""),
    Case::new("sort -h", "512\n1K\n1.5K\n2M\n3G\n").fed("1K\n2M\n512\n1.5K\n3G\n"),
    Case::new("sort -V", "v1.9\nv1.9.1\nv1.10\nv2\n").fed("v1.10\nv1.9\nv1.9.1\nv2\n"),
    Case::new("sort -M", "xx\nJan\nMar\nDec\n").fed("Mar\nJan\nxx\nDec\n"),
    Case::new("sort -b", " a\n  b\nc\n").fed("  b\n a\nc\n"),
    Case::new("sort -s -k1,1", "a 1\na 0\nb 2\nb 1\n").fed("b 2\na 1\nb 1\na 0\n"),
    Case::new("sort -k1,1", "a 0\na 1\nb 1\nb 2\n").fed("b 2\na 1\nb 1\na 0\n"),
    Case::new("sort -o out a.txt b.txt", "").left("+out=apple\\nbanana\\nbanana\\ncherry\\ndate\\n\n"),
    Case::new("sort -o a.txt -r a.txt", "")
        .left("-a.txt=apple\\nbanana\\ncherry\\n\n+a.txt=cherry\\nbanana\\napple\\n\n"),
    Case::new("sort -n", "-5\n\nx\n0.5\n1e3\n20\n").fed("1e3\n20\n-5\nx\n\n0.5\n"),
    Case::new("sort -g", "-5\n0.5\n20\n1e3\n").fed("1e3\n20\n-5\n0.5\n"),
    Case::new("sort -d", "a c\na-b\nab\n").fed("a-b\nab\na c\n"),
    Case::new("sort nonl.txt a.txt", "apple\nbanana\ncherry\nno newline\n"),
    Case::new("sort nope", "").failed(2, "sort: cannot read: nope: No such file or directory\n"),
    Case::new("sort -k1.2,1.3 a.txt", "banana\ncherry\napple\n"),
    Case::new("sort -k2.1bn", "c 1\na  3\nb 20\n").fed("a  3\nb 20\nc 1\n"),
    Case::new("sort -fu", "A\nb\n").fed("b\nA\na\nB\n"),
    Case::new("sort -t: -k2", "z\ny:a\nx:b\n").fed("x:b\ny:a\nz\n"),
    Case::new("sort -z", "a\u{0}b\u{0}").fed("b\u{0}a\u{0}"),
    Case::new("sort empty", ""),
    Case::new("sort -nr -k2", "b 3\nc 2\na 1\n").fed("a 1\nb 3\nc 2\n"),
    Case::new("sort -k 2,2 -k 1,1nr", "3 a\n1 a\n2 b\n").fed("1 a\n2 b\n3 a\n"),
];
