(set -e; false; echo no); echo $?
(set -e; false || true; echo yes); (set -e; if false; then :; fi; echo yes2); (set -e; ! true; echo yes3); (set -e; false && true; echo yes4)
(set -e; true && false; echo no); echo $?
(set -e; f() { false; echo infunc; }; f; echo no); echo $?
(set -e; f() { false; echo infunc; }; f || echo caught); echo $?
(set -e; x=$(false); echo no); echo $?
(set -e; while false; do :; done; echo w); (set -e; { false; } ; echo no); echo $?
(set -e; (exit 3); echo no); echo $?
(set -u; echo ${x-ok}; echo $nosuch; echo no) 2>/dev/null; echo $?
(set -eu; set -o pipefail; false | true; echo no); echo $?
(set -e; for i in 1 2; do [ $i = 1 ]; echo $i; done; echo no); echo $?
set -x 2>/dev/null; set +x 2>/dev/null
case $- in *e*) echo e;; *) echo none;; esac; set -e; case $- in *e*) echo e;; esac; set +e
set -o | grep errexit | tr -s '\t ' ' '
(set -e; eval 'false'; echo no); echo $?
(set -e; test 1 = 2 || echo or); (set -n; echo never)
(exit 5) || echo "st $?"
