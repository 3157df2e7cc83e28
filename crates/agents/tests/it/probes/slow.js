### compute without end
for (;;);
### wait for oneself without end
for (;;) await 0
### match without end
return /(a+)+$/.test('a'.repeat(40) + 'b')
### catch the end
for (;;) { try { for (;;); } catch {} }
### be looked at without end
return { toJSON() { for (;;); } }
### be looked at by a trap without end
return new Proxy({}, { ownKeys() { for (;;); } })
### print without end
for (;;) console.log('x'.repeat(8000))
### compute a number without end
return (7n ** (7n ** 9n)).toString().length
