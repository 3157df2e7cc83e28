### read the environment
env
### read the environment by its other name
$ENV
### read more input
input
### read all input
[inputs]
### import a module
import "x" as x; x::y
### include a module
include "x"; y
### load data
import "/etc/passwd" as $x; $x
### ask where the input is from
input_filename
### ask for the time of the machine
now
### end the process
halt
### end the process with an error
"x" | halt_error(0)
### use more memory than there is in lists
[range(1e12)]
### use more memory than there is in texts
[limit(40; "x" | recurse(. + .))] | last
### answer with more than may be answered
"x" * 6000000
### recurse without end
def f: 1 + f; f
### go down a list that is too deep
reduce range(100000) as $i (0; [.])
