// The host's `config`, in a file of its own: a component imports what its plugin uses, and nothing else.
export { default as config } from "jackfield:plugin/config@1.0.0";
