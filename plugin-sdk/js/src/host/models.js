// The host's `models`, in a file of its own: a component imports what its plugin uses, and nothing else.
export { default as models } from "jackfield:plugin/models@1.0.0";
