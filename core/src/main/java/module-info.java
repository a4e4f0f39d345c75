/** Tensors, automatic differentiation and training in pure Java. */
@SuppressWarnings("module")
module io.quern {
  requires tools.jackson.core;
  requires java.management;
  requires jdk.jfr;
  requires static java.desktop; // for models that decode images
  requires static transitive org.jspecify;

  exports io.quern;
  exports io.quern.op;
  exports io.quern.backend;
  exports io.quern.grad;
  exports io.quern.graph;
  exports io.quern.plan;
  exports io.quern.io;
  exports io.quern.json to
      io.quern.cli,
      io.quern.text;
  exports io.quern.nn;
  exports io.quern.onnx;
  exports io.quern.optim;
  exports io.quern.runtime;
  exports io.quern.train;

  uses io.quern.backend.Backend;

  provides io.quern.backend.Backend with
      io.quern.reference.ReferenceBackend;
}
