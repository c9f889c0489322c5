// The host's `response`, in a file of its own: a component imports what its plugin uses, and nothing else.
export { default as response } from "jackfield:plugin/response@1.0.0";
