; What the language can do, and what dies when. tests/test_examples.py compares what this prints.
(define (factorial n) (if (= n 0) 1 (* n (factorial (- n 1)))))
(factorial 20)
(try (factorial 21) (lambda (e) e))

; A tail call takes no stack.
(define (count-down n) (if (= n 0) 'done (count-down (- n 1))))
(count-down 100000)

; A closure that counts: it holds its scope, and its scope holds it.
(define (new-counter)
  (begin
    (define n 0)
    (define (next) (begin (set! n (+ n 1)) n))
    next))
(define next (new-counter))
(next)
(next)

; Lists may be rings.
(define ring (cons 8 (cons 9 none)))
(set-cdr! (cdr ring) ring)
ring
(sort '(3 1 2.5 -7) (lambda (a b) (< a b)))
(sort '("shed" "a" "skin") <)

; Errors are values, and pass through what C sorts.
(try (car 5) (lambda (e) (begin (print "caught:") e)))
(try (raise '(my own error)) (lambda (e) (car (cdr e))))
(try (sort '(2 1) (lambda (a b) (raise "no order"))) (lambda (e) e))
(try unknown (lambda (e) e))
(define (for-ever n) (+ 1 (for-ever n)))
(try (for-ever 0) (lambda (e) e))
(car 5)
undefined

; A note about an object lives as long as the object, though it refers to it.
(define notes (weak-table))
(define thing (cons 1 2))
(weak-put! notes thing (cons "about" thing))
(weak-get notes thing)
(define watcher (watch thing (lambda () (print "the thing is gone"))))
(set! thing none)
(weak-count notes)
(< 0 (collect))
(weak-count notes)

; What no one needs is freed at once; what holds itself, by a collection.
(set! next none)
(set! ring none)
(< 0 (collect))
