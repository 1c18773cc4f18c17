sleep 0.1 & wait; echo $?
(exit 3) & wait $!; echo $?
{ echo bg; } & wait
sleep 0.05 & p=$!; kill $p; wait $p 2>/dev/null; echo $?
wait 99999 2>/dev/null; echo $?
x=1; { x=2; } & wait; echo $x
for i in 1 2 3; do (sleep 0.0$i; echo j$i) & done; wait; echo all
echo a & wait $!; echo b
false & wait $!; echo $?
f() { sleep 0.01; echo f$1; }; f 1 & f 2 >/dev/null & wait; echo done
cat & wait; echo "stdin $?"
{ sleep 0.02; echo late; } & echo early; wait
true & true & wait; echo none
