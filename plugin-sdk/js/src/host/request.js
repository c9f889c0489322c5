// The host's `request`, in a file of its own: a component imports what its plugin uses, and nothing else.
export { default as request } from "jackfield:plugin/request@1.0.0";
