(component
  (import "jackfield:plugin/files@1.0.0" (instance (export "read" (func (param "path" string) (result string)))))
  (component $c) (instance $i (instantiate $c)) (export "jackfield:plugin/routing@1.0.0" (instance $i)))
