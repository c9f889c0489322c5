// The host's `kv`, in a file of its own: a component imports what its plugin uses, and nothing else.
export { default as kv } from "jackfield:plugin/kv@1.0.0";
