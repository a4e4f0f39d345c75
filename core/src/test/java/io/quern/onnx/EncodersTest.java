package io.quern.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Encoders of ai.onnx.ml by the examples of the specification. */
class EncodersTest {
  private static final OnnxValue LETTERS = strings("a", "b", "d", "c", "g");

  private static OnnxValue strings(String... texts) {
    return new OnnxValue.Strings(Shape.of(texts.length), List.of(texts));
  }

  private static ProtoWriter texts(String name, String... texts) {
    ProtoWriter attribute = new ProtoWriter().string(1, name).varint(20, 8);
    for (String text : texts) {
      attribute.string(9, text);
    }
    return attribute;
  }

  private static ProtoWriter textTensor(String name, String... texts) {
    ProtoWriter tensor = Models.tensor(name, ElementType.STRING.code(), texts.length);
    for (String text : texts) {
      tensor.string(6, text);
    }
    return Models.attribute(name, tensor);
  }

  private static ProtoWriter shorts(String name, int... values) {
    byte[] bytes = Tensor.of(values).to(DType.I16).toByteArray();
    return Models.attribute(
        name, Models.tensor(name, ElementType.INT16.code(), values.length).bytes(9, bytes));
  }

  private static OnnxValue run(String op, long version, OnnxValue x, ProtoWriter... attributes) {
    ProtoWriter node = Models.node(op, "x", "y").string(7, "ai.onnx.ml");
    for (ProtoWriter attribute : attributes) {
      node.message(5, attribute);
    }
    OnnxModel model =
        new Models()
            .mlOpset(version)
            .input(new ProtoWriter().string(1, "x"))
            .output(new ProtoWriter().string(1, "y"))
            .add(node)
            .model();
    return model.runValues(Map.of("x", x)).get("y");
  }

  private static void assertShorts(OnnxValue found, double... expected) {
    Tensor tensor = ((OnnxValue.Dense) found).tensor();
    assertThat(tensor.dtype()).isEqualTo(DType.I16);
    assertThat(tensor.toDoubleArray()).isEqualTo(expected);
  }

  @Test
  void labelsByTensors() {
    ProtoWriter values = shorts("values_tensor", 0, 1, 2);
    ProtoWriter fallback = shorts("default_tensor", 42);
    OnnxValue mapped =
        run("LabelEncoder", 4, LETTERS, textTensor("keys_tensor", "a", "b", "c"), values, fallback);
    assertShorts(mapped, 0, 1, 42, 2, 42);
    OnnxValue valuesOnly =
        run("LabelEncoder", 4, LETTERS, texts("keys_strings", "a", "b", "c"), values, fallback);
    assertShorts(valuesOnly, 0, 1, 42, 2, 42);
    OnnxValue withoutDefault =
        run("LabelEncoder", 4, LETTERS, texts("keys_strings", "a", "b", "c"), values);
    assertShorts(withoutDefault, 0, 1, -1, 2, -1);
  }

  @Test
  void defaultOfAnotherKindIsRefused() {
    assertThatThrownBy(
            () ->
                run(
                    "LabelEncoder",
                    4,
                    LETTERS,
                    texts("keys_strings", "a"),
                    shorts("values_tensor", 1),
                    textTensor("default_tensor", "x")))
        .isInstanceOf(OnnxException.class)
        .hasMessageContaining("default_tensor does not fit the values, which are int16[1]");
  }

  @Test
  void labelsOfVersionOne() {
    ProtoWriter classes = texts("classes_strings", "a", "b", "c");
    OnnxValue numbers = run("LabelEncoder", 1, LETTERS, classes);
    assertThat(((OnnxValue.Dense) numbers).tensor().toLongArray()).containsExactly(0, 1, -1, 2, -1);
    OnnxValue back = run("LabelEncoder", 1, OnnxValue.of(Tensor.of(new long[] {2, 0, 7})), classes);
    assertThat(back).isEqualTo(strings("c", "a", "_Unused"));
  }

  private static OnnxValue dictionary(Object... keysAndNumbers) {
    Map<Object, OnnxValue> entries = new LinkedHashMap<>();
    for (int i = 0; i < keysAndNumbers.length; i += 2) {
      entries.put(keysAndNumbers[i], OnnxValue.of(Tensor.scalar((float) keysAndNumbers[i + 1])));
    }
    return new OnnxValue.Dictionary(entries);
  }

  @Test
  void dictionariesBecomeRows() {
    OnnxValue row =
        run(
            "DictVectorizer",
            1,
            dictionary("a", 4f, "c", 8f, "other", 1f),
            texts("string_vocabulary", "a", "b", "c", "z"));
    Tensor tensor = ((OnnxValue.Dense) row).tensor();
    assertThat(tensor.shape()).isEqualTo(Shape.of(1, 4));
    assertThat(tensor.toFloatArray()).containsExactly(4, 0, 8, 0);
  }

  @Test
  void mapsAreCast() {
    OnnxValue map = dictionary(3L, 1.5f, 0L, -2f);
    assertThat(((OnnxValue.Dense) run("CastMap", 1, map)).tensor().toFloatArray())
        .containsExactly(-2, 1.5f);
    ProtoWriter sparse = new ProtoWriter().string(1, "map_form").string(4, "SPARSE").varint(20, 3);
    OnnxValue placed = run("CastMap", 1, map, sparse, Models.attribute("max_map", 5));
    assertThat(((OnnxValue.Dense) placed).tensor().toFloatArray())
        .containsExactly(-2, 0, 0, 1.5f, 0);
  }
}
