package io.quern.onnx;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a model file says, as in <a
 * href="https://github.com/onnx/onnx/blob/main/onnx/onnx.proto">onnx.proto</a>, without the parts
 * that are for people. Bytes stay where they are in the file.
 *
 * @param opsets version of each domain that the model imports
 */
record ModelProto(
    long irVersion,
    String producer,
    Map<String, Long> opsets,
    Graph graph,
    List<Function> functions) {

  /** This model with another graph. */
  ModelProto with(Graph other) {
    return new ModelProto(irVersion, producer, opsets, other, functions);
  }

  /** Nodes in topological order, and the names of what goes in and comes out. */
  record Graph(
      String name,
      List<Node> nodes,
      List<ValueInfo> inputs,
      List<ValueInfo> outputs,
      Map<String, TensorProto> initializers,
      Map<String, SparseTensor> sparseInitializers) {

    /** This graph with other nodes. */
    Graph with(List<Node> others) {
      return with(others, initializers);
    }

    /** This graph with other nodes and constants. */
    Graph with(List<Node> others, Map<String, TensorProto> constants) {
      return new Graph(name, others, inputs, outputs, constants, sparseInitializers);
    }
  }

  /** One application of an operator; an empty name among the inputs means a missing one. */
  record Node(
      String name,
      String domain,
      String op,
      String overload,
      List<String> inputs,
      List<String> outputs,
      Map<String, Attribute> attributes) {

    /** An attribute that is an integer, or what it is when it is missing. */
    long integer(String attribute, long fallback) {
      Attribute found = attributes.get(attribute);
      return found == null ? fallback : found.integer();
    }

    /** An attribute that is a float, or what it is when it is missing. */
    double number(String attribute, double fallback) {
      Attribute found = attributes.get(attribute);
      return found == null ? fallback : found.number();
    }

    /** How messages call this node. */
    String label() {
      String type = domain.isEmpty() ? op : domain + "." + op;
      return name.isEmpty()
          ? type + (outputs.isEmpty() ? "" : " that gives '" + outputs.getFirst() + "'")
          : type + " '" + name + "'";
    }
  }

  /**
   * A constant argument of a node; which of the components counts follows from its kind.
   *
   * @param reference in a function, the attribute of the function that is meant, or empty
   */
  @SuppressWarnings("ArrayRecordComponent") // compared by identity only
  record Attribute(
      String name,
      String reference,
      int kind,
      float number,
      long integer,
      @Nullable MemorySegment text,
      @Nullable TensorProto tensor,
      @Nullable SparseTensor sparse,
      @Nullable Graph graph,
      float[] numbers,
      long[] integers,
      List<MemorySegment> texts,
      List<TensorProto> tensors,
      List<Graph> graphs) {

    /** An integer. */
    static Attribute of(String name, long integer) {
      return new Attribute(
          name,
          "",
          INTEGER,
          0,
          integer,
          null,
          null,
          null,
          null,
          new float[0],
          new long[0],
          List.of(),
          List.of(),
          List.of());
    }

    private static final int INTEGER = 2;
  }

  /** A constant; its elements are in {@code raw}, in {@code numbers} as bits, or in a file. */
  @SuppressWarnings("ArrayRecordComponent") // compared by identity only
  record TensorProto(
      String name,
      int type,
      long[] dims,
      @Nullable MemorySegment raw,
      Numbers numbers,
      List<MemorySegment> strings,
      @Nullable Map<String, String> external,
      long position) {

    /** This constant, its elements seen as of another type. */
    TensorProto withType(int other) {
      return new TensorProto(name, other, dims, raw, numbers, strings, external, position);
    }
  }

  /** The elements of a tensor that are not zero, and where they are. */
  @SuppressWarnings("ArrayRecordComponent") // compared by identity only
  record SparseTensor(TensorProto values, TensorProto indices, long[] dims) {}

  /** Name and type of an input or output. */
  record ValueInfo(String name, @Nullable TypeProto type) {}

  /** What a value may be. */
  sealed interface TypeProto {
    /** A tensor; without dimensions its rank is unknown. */
    record Tensor(int elementType, @Nullable List<Dimension> dims) implements TypeProto {}

    /** A list of values of one type. */
    record Sequence(@Nullable TypeProto element) implements TypeProto {}

    /** A value or nothing. */
    record Optional(@Nullable TypeProto element) implements TypeProto {}

    /** Values by key. */
    record Dictionary(int keyType, @Nullable TypeProto value) implements TypeProto {}

    /** A type that is not supported. */
    record Other(String name) implements TypeProto {}
  }

  /** A size: a number, or a symbol (which may be empty) when the number is -1. */
  record Dimension(long size, String symbol) {}

  /** An operator that the model defines itself. */
  record Function(
      String name,
      String domain,
      String overload,
      List<String> inputs,
      List<String> outputs,
      List<String> attributes,
      Map<String, Attribute> defaults,
      List<Node> nodes,
      Map<String, Long> opsets) {}
}
