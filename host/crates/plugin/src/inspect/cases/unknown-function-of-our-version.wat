(component
  (import "jackfield:plugin/clock@1.0.0" (instance (export "now-us" (func (result u64)))))
  (component $c) (instance $i (instantiate $c)) (export "jackfield:plugin/routing@1.0.0" (instance $i)))
