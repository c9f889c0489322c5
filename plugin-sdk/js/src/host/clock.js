// The host's `clock`, in a file of its own: a component imports what its plugin uses, and nothing else.
export { default as clock } from "jackfield:plugin/clock@1.0.0";
