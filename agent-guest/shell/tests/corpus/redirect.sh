echo one >f; cat f; echo two >>f; cat <f; cat <f - </dev/null
echo err >&2 2>/dev/null; { echo out; echo err >&2; } 2>e >o; cat o e
ls nosuch 2>/dev/null; echo $?
{ echo a; echo b >&2; } >both 2>&1; cat both
{ echo c; echo d >&2; } &>both; cat both; { echo e; echo f >&2; } &>>both; wc -l <both
cat <<X
hello $((1+1)) $(echo sub) "quoted" 'single' \$x \\
	tab
X
cat <<'X'
raw $x $(no) \
X
cat <<-X
	stripped
		twice
	X
cat <<A; cat <<B
a
A
b
B
cat <<<"here string $((3))"; cat <<< word
while read -r l; do echo "<$l>"; done <<X
1
2
X
exec 3>three; echo to3 >&3; exec 3>&-; cat three
exec 4<three; read l <&4; echo "$l"; exec 4<&-
for i in 1 2; do echo $i; done >loop; cat loop
f() { echo infunc; }; f >ff; cat ff
if true; then echo iff; fi >iff; cat iff
echo x 2>&1 >/dev/null | cat; { echo y >&2; } 2>&1 | cat
echo hi | { read a; echo "got $a"; }
: >empty; cat empty; [ -s empty ] || echo is empty
>new; ls new
cat nosuch <nosuch2 2>/dev/null; echo $?
echo a > "sp ace"; cat "sp ace"; cat <"sp ace"
(echo sub; echo sub2 >&2) 2>/dev/null
set -C; echo x >f 2>/dev/null || echo noclobber; echo y >|f; cat f; set +C
x=$(cat <<X
in subst
X
); echo "$x"
x=$(<f); echo "$x"
cat <<X | tr a-z A-Z
piped
X
echo "$(cat <<'X'
it's
X
)"
read a b <<<"1 2 3"; echo "$a|$b"
echo 1 >&1; echo 2 1>&2 2>/dev/null; echo done
