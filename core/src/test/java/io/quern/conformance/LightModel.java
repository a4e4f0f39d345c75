package io.quern.conformance;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * The networks of the ONNX model zoo that come without weights: ConstantOfShape makes each of them.
 * Here they get seeded random ones, as large as keeps activations in range, and a last softmax
 * becomes the identity, since it would hide all outputs but one.
 */
public final class LightModel {
  private static final int MODEL_GRAPH = 7;
  private static final int GRAPH_NODE = 1;
  private static final int GRAPH_INITIALIZER = 5;
  private static final int GRAPH_OUTPUT = 12;
  private static final int NODE_INPUT = 1;
  private static final int NODE_OUTPUT = 2;
  private static final int NODE_OP = 4;
  private static final int NODE_ATTRIBUTE = 5;
  private static final int TENSOR_DIMS = 1;
  private static final int TENSOR_TYPE = 2;
  private static final int TENSOR_NAME = 8;
  private static final int TENSOR_RAW = 9;
  private static final int TENSOR_EXTERNAL = 13;
  private static final int TENSOR_LOCATION = 14;
  private static final String WEIGHTS = "weights";

  /** Bytes of weights that are written at a time. */
  private static final int CHUNK = 1 << 16;

  private final SplittableRandom random;
  private final Map<String, long[]> shapes = new HashMap<>();
  private final Set<String> positive = new HashSet<>();
  private final OutputStream weights;
  private long written;
  private String output = "";

  private LightModel(long seed, OutputStream weights) {
    this.random = new SplittableRandom(seed);
    this.weights = weights;
  }

  /**
   * Writes the model with weights, which get a file of their own beside it.
   *
   * @param file the network
   * @param folder where to write
   * @return the model's file
   */
  public static Path write(Path file, Path folder, long seed) throws IOException {
    List<Field> model = Field.parse(Files.readAllBytes(file));
    try (OutputStream weights =
        new BufferedOutputStream(Files.newOutputStream(folder.resolve(WEIGHTS)), CHUNK)) {
      LightModel light = new LightModel(seed, weights);
      List<Field> changed = new ArrayList<>();
      for (Field field : model) {
        changed.add(
            field.number == MODEL_GRAPH
                ? new Field(MODEL_GRAPH, light.graph(Field.parse(field.bytes)))
                : field);
      }
      return Files.write(folder.resolve("model.onnx"), Field.write(changed));
    }
  }

  private byte[] graph(List<Field> fields) throws IOException {
    fields.forEach(this::look);
    List<Field> changed = new ArrayList<>();
    for (Field field : fields) {
      changed.add(field.number == GRAPH_NODE ? node(Field.parse(field.bytes), field) : field);
    }
    return Field.write(changed);
  }

  /** Notes the shapes of weights, and which of them must be positive. */
  private void look(Field field) {
    List<Field> parts = field.bytes.length == 0 ? List.of() : parts(field);
    if (field.number == GRAPH_INITIALIZER) {
      Field raw = Field.find(parts, TENSOR_RAW);
      if (raw != null && Field.find(parts, TENSOR_TYPE).value == 7) {
        long[] shape = new long[raw.bytes.length / Long.BYTES];
        ByteBuffer.wrap(raw.bytes).order(ByteOrder.LITTLE_ENDIAN).asLongBuffer().get(shape);
        shapes.put(Field.find(parts, TENSOR_NAME).text(), shape);
      }
    } else if (field.number == GRAPH_OUTPUT) {
      output = Field.find(parts, 1).text();
    } else if (field.number == GRAPH_NODE
        && Field.find(parts, NODE_OP).text().equals("BatchNormalization")) {
      List<Field> inputs = parts.stream().filter(part -> part.number == NODE_INPUT).toList();
      positive.add(inputs.get(1).text());
      positive.add(inputs.get(4).text());
    }
  }

  private static List<Field> parts(Field field) {
    return field.number == GRAPH_NODE
            || field.number == GRAPH_INITIALIZER
            || field.number == GRAPH_OUTPUT
        ? Field.parse(field.bytes)
        : List.of();
  }

  private Field node(List<Field> parts, Field field) throws IOException {
    String op = Field.find(parts, NODE_OP).text();
    String result = Field.find(parts, NODE_OUTPUT).text();
    if (op.equals("ConstantOfShape")) {
      return weights(result, shapes.get(Field.find(parts, NODE_INPUT).text()));
    }
    if (!op.equals("Softmax") || !result.equals(output)) {
      return field;
    }
    List<Field> identity = new ArrayList<>();
    for (Field part : parts) {
      if (part.number == NODE_OP) {
        identity.add(new Field(NODE_OP, "Identity".getBytes(StandardCharsets.UTF_8)));
      } else if (part.number != NODE_ATTRIBUTE) {
        identity.add(part);
      }
    }
    return new Field(GRAPH_NODE, Field.write(identity));
  }

  private Field weights(String name, long[] shape) throws IOException {
    long count = 1;
    for (long dim : shape) {
      count *= dim;
    }
    double reach = shape.length < 2 ? 0.1 : Math.sqrt(6.0 * shape[0] / count);
    List<Field> tensor = new ArrayList<>();
    for (long dim : shape) {
      tensor.add(new Field(TENSOR_DIMS, dim));
    }
    tensor.add(new Field(TENSOR_TYPE, 1));
    tensor.add(new Field(TENSOR_NAME, name.getBytes(StandardCharsets.UTF_8)));
    tensor.add(external("location", WEIGHTS));
    tensor.add(external("offset", Long.toString(written)));
    tensor.add(external("length", Long.toString(4 * count)));
    tensor.add(new Field(TENSOR_LOCATION, 1));
    ByteBuffer value = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
    for (long i = 0; i < count; i++) {
      double number =
          positive.contains(name) ? random.nextDouble(0.8, 1.2) : random.nextDouble(-reach, reach);
      weights.write(value.putFloat(0, (float) number).array());
    }
    written += 4 * count;
    return new Field(GRAPH_INITIALIZER, Field.write(tensor));
  }

  private static Field external(String key, String value) {
    List<Field> entry =
        List.of(
            new Field(1, key.getBytes(StandardCharsets.UTF_8)),
            new Field(2, value.getBytes(StandardCharsets.UTF_8)));
    return new Field(TENSOR_EXTERNAL, Field.write(entry));
  }

  /** A field of a protobuf message: a number, or bytes. */
  private static final class Field {
    private static final int VARINT = 0;
    private static final int BYTES = 2;
    private static final int FOUR = 5;

    final int number;
    final int type;
    final long value;
    final byte[] bytes;

    Field(int number, long value) {
      this(number, VARINT, value, new byte[0]);
    }

    Field(int number, byte[] bytes) {
      this(number, BYTES, 0, bytes);
    }

    private Field(int number, int type, long value, byte[] bytes) {
      this.number = number;
      this.type = type;
      this.value = value;
      this.bytes = bytes;
    }

    String text() {
      return new String(bytes, StandardCharsets.UTF_8);
    }

    static Field find(List<Field> fields, int number) {
      return fields.stream().filter(field -> field.number == number).findFirst().orElse(null);
    }

    static List<Field> parse(byte[] message) {
      ByteBuffer in = ByteBuffer.wrap(message);
      List<Field> fields = new ArrayList<>();
      while (in.hasRemaining()) {
        long tag = varint(in);
        int type = (int) (tag & 7);
        long value = type == VARINT ? varint(in) : 0;
        int length = type == VARINT ? 0 : type == BYTES ? (int) varint(in) : type == FOUR ? 4 : 8;
        byte[] bytes = new byte[length];
        in.get(bytes);
        fields.add(new Field((int) (tag >>> 3), type, value, bytes));
      }
      return fields;
    }

    static byte[] write(List<Field> fields) {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      for (Field field : fields) {
        varint(out, (long) field.number << 3 | field.type);
        if (field.type == VARINT) {
          varint(out, field.value);
        } else if (field.type == BYTES) {
          varint(out, field.bytes.length);
        }
        out.writeBytes(field.bytes);
      }
      return out.toByteArray();
    }

    private static long varint(ByteBuffer in) {
      long value = 0;
      int shift = 0;
      byte next;
      do {
        next = in.get();
        value |= (long) (next & 0x7F) << shift;
        shift += 7;
      } while (next < 0);
      return value;
    }

    private static void varint(ByteArrayOutputStream out, long value) {
      long rest = value;
      while ((rest & ~0x7FL) != 0) {
        out.write((int) ((rest & 0x7F) | 0x80));
        rest >>>= 7;
      }
      out.write((int) rest);
    }
  }
}
