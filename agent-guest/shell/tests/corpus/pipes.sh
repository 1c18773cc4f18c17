echo abc | tr a-z A-Z | rev 2>/dev/null || echo norev
seq 1 5 | grep -v 3 | wc -l | tr -d ' '
true | false; echo $?; false | true; echo $?
set -o pipefail; false | true; echo $?; true | true; echo $?; set +o pipefail
yes | head -3
yes | head -1 >/dev/null; echo $?
seq 1 100000 | tail -1; seq 1 100000 | head -2
echo a | cat | cat | cat | cat
(echo 1; echo 2) | while read x; do echo "r$x"; done
printf 'b\na\n' | sort | sed 's/^/x/'
! echo x | grep -q y; echo $?
x=$(echo a | cat); echo $x
echo $(echo b | { cat; echo c; })
{ echo z; exit 3; } | cat; echo $?
if echo x | grep -q x; then echo found; fi
for i in 3 1 2; do echo $i; done | sort -n | head -2
cat /dev/null | wc -c | tr -d ' '
echo a |
 cat
echo b \
 | cat
f() { cat | tr a b; }; echo aaa | f
echo out | (cat; echo after)
while read a b; do echo "$b $a"; done <<X | sort
1 z
2 y
X
