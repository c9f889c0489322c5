// The host's `log`, in a file of its own: a component imports what its plugin uses, and nothing else.
export { default as log } from "jackfield:plugin/log@1.0.0";
