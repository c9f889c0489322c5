// The host's `load`, in a file of its own: a component imports what its plugin uses, and nothing else.
export { default as load } from "jackfield:plugin/load@1.0.0";
