### require a module
return require('fs')
### import the library of the interpreter
return (await import('std')).open('/etc/passwd', 'r')
### import the machine of the interpreter
return (await import('os')).readdir('/')
### import a file
return import('/etc/passwd')
### import a file by its address
return import('file:///etc/passwd')
### import a page
return import('http://127.0.0.1/')
### use the library that is global elsewhere
return std.getenviron()
### use the machine that is global elsewhere
return os.exec(['true'])
### look at the process
return process.env
### look at the process by the constructor of functions
return Function('return process')().mainModule
### look at the process by the constructor of an error
return new Error().constructor.constructor('return process')()
### look at the process by the constructor of an asynchronous function
return (async () => 0).constructor('return process.env')()
### load a script
return loadScript('/etc/passwd')
### read a file as a shell does
return read('/etc/passwd')
### print as a shell does
return print(1)
### look at the arguments
return scriptArgs
### fetch
return fetch('http://127.0.0.1/')
### request as a page does
return new XMLHttpRequest()
### open a socket as a page does
return new WebSocket('ws://127.0.0.1')
### start a worker
return new Worker('x')
### set a timer
return setTimeout(() => 0, 1)
### compile for another machine
return new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))
### evaluate an import
return eval("import('std')")
### replace how stacks are made
Error.prepareStackTrace = (_, sites) => sites.map(site => site.getThis())
return new Error().stack.length && globalThis.os.x
### poison every object and look at what the host hands over
Object.prototype.env = 'poisoned'
Object.defineProperty(Array.prototype, 0, { set() { throw new Error('poisoned') } })
throw new Error(String(context.secret))
### ask for Deno
return Deno.readTextFileSync('/etc/passwd')
### ask for Bun
return Bun.file('/etc/passwd')
### use more memory than there is, at once
return new ArrayBuffer(2 ** 32).byteLength
### use more memory than there is, bit by bit
const kept = []
for (;;) kept.push(new Uint8Array(1 << 20))
### use more memory than there is in texts
let text = 'x'
for (;;) text += text
### use more memory than there is in lists
const list = []
for (;;) list.push({})
### answer with a gigabyte
return 'x'.repeat(2 ** 29)
### answer with more than may be answered
return 'x'.repeat(5 << 20)
### recurse without end
const again = () => again()
return again()
### wait for what never comes
return new Promise(() => 0)
### answer with itself
const answer = []; answer.push(answer)
return answer
