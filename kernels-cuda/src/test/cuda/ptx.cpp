// Carries out the straight-line PTX that ChainPtx writes.
#include "launch.h"
#include "quern.cuh"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>
#include <vector>

namespace {

typedef std::vector<std::string> Words;

// A register holds a float, an int of 32 or 64 bits, or a truth value.
union Register {
  float f;
  int32_t i;
  uint32_t u;
  int64_t l;
};

typedef void (*Step)(Register* to, const Register** in);

enum class Kind { STEP, RETURN, BRANCH, PARAMETER, SPECIAL, STORE, STORE2, STORE4, LOAD4, HALVES };

struct Instruction {
  std::string name;
  Kind kind = Kind::STEP;
  Step step = nullptr;
  int predicate = -1;
  std::vector<int> registers;   // for each operand its register, -1 for others
  std::vector<Register> values; // for each operand that is a number
  int target = -1;              // of branches, and parameter of loads
};

struct Program {
  std::vector<Instruction> code;
  int registers = 0;
  int parameters = 0; // of 64 bits each
};

[[noreturn]] void fail(const std::string& what) {
  fprintf(stderr, "ptx: cannot carry out: %s\n", what.c_str());
  abort();
}

Words split(const std::string& line) {
  Words words;
  std::string word;
  for (char c : line + "\n") {
    if (isspace((unsigned char)c) || strchr(",;[]{}", c)) {
      if (!word.empty()) {
        words.push_back(word);
      }
      word.clear();
    } else {
      word += c;
    }
  }
  return words;
}

// Bytes of two words, the first one's the lower four, by the digits of a number.
uint32_t permuted(uint32_t low, uint32_t high, uint32_t digits) {
  uint64_t bytes = (uint64_t)high << 32 | low;
  uint32_t result = 0;
  for (int i = 0; i < 4; i++) {
    result |= (uint32_t)(bytes >> 8 * (digits >> 4 * i & 7) & 0xff) << 8 * i;
  }
  return result;
}

const std::map<std::string, Step>& steps() {
#define STEP(NAME, BODY) {NAME, [](Register* to, const Register** in) { BODY; }}
  static const std::map<std::string, Step> table = {
      STEP("mov.f32", to->u = in[0]->u),
      STEP("mov.b32", to->u = in[0]->u),
      STEP("add.rn.f32", to->f = in[0]->f + in[1]->f),
      STEP("sub.rn.f32", to->f = in[0]->f - in[1]->f),
      STEP("mul.rn.f32", to->f = in[0]->f * in[1]->f),
      STEP("div.rn.f32", to->f = in[0]->f / in[1]->f),
      STEP("rcp.approx.ftz.f32", to->f = 1 / in[0]->f),
      STEP("fma.rn.f32", to->f = fmaf(in[0]->f, in[1]->f, in[2]->f)),
      STEP("neg.f32", to->f = -in[0]->f),
      STEP("abs.f32", to->f = fabsf(in[0]->f)),
      STEP("sqrt.rn.f32", to->f = sqrtf(in[0]->f)),
      STEP("min.f32", to->f = in[0]->f < in[1]->f || (in[0]->f == in[1]->f && in[0]->i < 0) || in[1]->f != in[1]->f ? in[0]->f : in[1]->f),
      STEP("max.f32", to->f = in[0]->f > in[1]->f || (in[0]->f == in[1]->f && in[0]->i >= 0) || in[1]->f != in[1]->f ? in[0]->f : in[1]->f),
      STEP("setp.num.f32", to->i = in[0]->f == in[0]->f && in[1]->f == in[1]->f),
      STEP("setp.nan.f32", to->i = in[0]->f != in[0]->f || in[1]->f != in[1]->f),
      STEP("setp.lt.f32", to->i = in[0]->f < in[1]->f),
      STEP("setp.eq.f32", to->i = in[0]->f == in[1]->f),
      STEP("setp.ge.u32", to->i = in[0]->u >= in[1]->u),
      STEP("setp.gt.u32", to->i = in[0]->u > in[1]->u),
      STEP("setp.lt.u32", to->i = in[0]->u < in[1]->u),
      STEP("selp.f32", to->u = in[2]->i ? in[0]->u : in[1]->u),
      STEP("cvt.rn.f32.s32", to->f = (float)in[0]->i),
      STEP("cvt.u32.u64", to->u = (uint32_t)in[0]->l),
      STEP("cvt.u64.u32", to->l = in[0]->u),
      STEP("add.s32", to->u = in[0]->u + in[1]->u),
      STEP("add.s64", to->l = in[0]->l + in[1]->l),
      STEP("sub.s32", to->u = in[0]->u - in[1]->u),
      STEP("and.b32", to->u = in[0]->u & in[1]->u),
      STEP("or.b32", to->u = in[0]->u | in[1]->u),
      STEP("shl.b32", to->u = in[0]->u << in[1]->u),
      STEP("shr.s32", to->i = in[0]->i >> in[1]->u),
      STEP("shr.u32", to->u = in[0]->u >> in[1]->u),
      STEP("div.u32", to->u = in[0]->u / in[1]->u),
      STEP("mul.lo.u32", to->u = in[0]->u * in[1]->u),
      STEP("mad.lo.u32", to->u = in[0]->u * in[1]->u + in[2]->u),
      STEP("mad.lo.s64", to->l = in[0]->l * in[1]->l + in[2]->l),
      STEP("mad.wide.u32", to->l = (int64_t)((uint64_t)in[0]->u * in[1]->u + (uint64_t)in[2]->l)),
      STEP("cvta.to.global.u64", to->l = in[0]->l),
      STEP("selp.b32", to->u = in[2]->i ? in[0]->u : in[1]->u),
      STEP("prmt.b32", to->u = permuted(in[0]->u, in[1]->u, in[2]->u)),
      STEP("cvt.f32.f16", to->f = from_f16((unsigned short)in[0]->u)),
      STEP("cvt.rn.f16.f32", to->u = to_f16(in[0]->f)),
      STEP("cvt.u32.u16", to->u = in[0]->u & 0xffff),
      STEP("cvt.rn.f16x2.f32", to->u = (u32)to_f16(in[0]->f) << 16 | to_f16(in[1]->f)),
      STEP("cvt.rn.bf16x2.f32", to->u = (u32)to_bf16(in[0]->f) << 16 | to_bf16(in[1]->f)),
      STEP("ld.global.u16", to->u = *(const uint16_t*)in[0]->l),
      STEP("ld.global.f32", to->f = *(const float*)in[0]->l),
  };
  return table;
}

void resolve(Instruction& instruction) {
  static const std::map<std::string, Kind> kinds = {
      {"ret", Kind::RETURN},
      {"bra", Kind::BRANCH},
      {"ld.param.u64", Kind::PARAMETER},
      {"mov.u32", Kind::SPECIAL},
      {"st.global.f32", Kind::STORE},
      {"st.global.u16", Kind::STORE2},
      {"st.global.v4.f32", Kind::STORE4},
      {"st.global.v4.b32", Kind::STORE4},
      {"ld.global.v4.f32", Kind::LOAD4},
      {"ld.global.v4.b32", Kind::LOAD4},
      {"mov.b32.halves", Kind::HALVES},
  };
  auto kind = kinds.find(instruction.name);
  if (kind != kinds.end()) {
    instruction.kind = kind->second;
    return;
  }
  auto step = steps().find(instruction.name);
  if (step == steps().end()) {
    fail(instruction.name);
  }
  instruction.step = step->second;
}

std::shared_ptr<Program> parse(const std::string& text) {
  auto program = std::make_shared<Program>();
  std::map<std::string, int> registers, parameters, labels;
  std::vector<std::pair<int, std::string>> branches;
  std::istringstream lines(text);
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    Words words = split(line);
    if (words.empty() || words[0] == ".reg") {
      inside = inside || line == "{";
      continue;
    }
    if (words[0] == ".param") {
      parameters.emplace(words[2], (int)parameters.size());
      continue;
    }
    if (!inside) {
      continue;
    }
    if (words[0].back() == ':') {
      labels[words[0].substr(0, words[0].size() - 1)] = (int)program->code.size();
      continue;
    }
    Instruction instruction;
    auto register_of = [&](const std::string& name) {
      return registers.emplace(name, (int)registers.size()).first->second;
    };
    size_t at = 0;
    if (words[0][0] == '@') {
      instruction.predicate = register_of(words[at++].substr(1));
    }
    instruction.name = words[at++];
    if (instruction.name == "mov.b32" && words.size() - at == 3) {
      instruction.name += ".halves";
    }
    resolve(instruction);
    for (; at < words.size(); at++) {
      const std::string& word = words[at];
      Register value = {};
      int number = -1;
      if (word[0] == '%' && word.find('.') == std::string::npos) {
        number = register_of(word);
      } else if (word[0] == '%') {
        value.i = word == "%ctaid.x" ? 0 : word == "%ntid.x" ? 1 : word == "%tid.x" ? 2 : -1;
      } else if (word.compare(0, 2, "0f") == 0) {
        value.u = (uint32_t)std::stoul(word.substr(2), nullptr, 16);
      } else if (parameters.count(word)) {
        instruction.target = parameters[word];
      } else if (instruction.kind == Kind::BRANCH) {
        branches.push_back({(int)program->code.size(), word});
      } else {
        char* end;
        value.l = strtoll(word.c_str(), &end, 10);
        if (*end) {
          fail(line);
        }
      }
      instruction.registers.push_back(number);
      instruction.values.push_back(value);
    }
    program->code.push_back(instruction);
  }
  for (auto& branch : branches) {
    program->code[branch.first].target = labels.at(branch.second);
  }
  program->registers = (int)registers.size();
  program->parameters = (int)parameters.size();
  return program;
}

uint32_t* four(const Instruction& instruction, const Register* address) {
  if (address->l % 16 != 0) {
    fail(instruction.name + " at an address that is no multiple of 16");
  }
  return (uint32_t*)address->l;
}

// One thread.
void execute(const Program& program, const std::vector<int64_t>& parameters) {
  std::vector<Register> registers(program.registers);
  for (size_t at = 0; at < program.code.size();) {
    const Instruction& each = program.code[at++];
    if (each.predicate >= 0 && !registers[each.predicate].i) {
      continue;
    }
    const Register* in[8];
    for (size_t i = 0; i < each.registers.size(); i++) {
      in[i] = each.registers[i] >= 0 ? &registers[each.registers[i]] : &each.values[i];
    }
    Register* to = each.registers.empty() ? nullptr : (Register*)in[0];
    switch (each.kind) {
      case Kind::STEP:
        each.step(to, in + 1);
        break;
      case Kind::RETURN:
        return;
      case Kind::BRANCH:
        at = (size_t)each.target;
        break;
      case Kind::PARAMETER:
        to->l = parameters[each.target];
        break;
      case Kind::SPECIAL: {
        unsigned special[] = {blockIdx.x, blockDim.x, threadIdx.x};
        to->u = special[in[1]->i];
        break;
      }
      case Kind::STORE:
        *(float*)in[0]->l = in[1]->f;
        break;
      case Kind::STORE2:
        *(uint16_t*)in[0]->l = (uint16_t)in[1]->u;
        break;
      case Kind::HALVES:
        to->u = in[2]->u & 0xffff;
        ((Register*)in[1])->u = in[2]->u >> 16;
        break;
      case Kind::STORE4:
        for (int i = 0; i < 4; i++) {
          four(each, in[0])[i] = in[1 + i]->u;
        }
        break;
      case Kind::LOAD4:
        for (int i = 0; i < 4; i++) {
          ((Register*)in[i])->u = four(each, in[4])[i];
        }
        break;
    }
  }
}

}  // namespace

Function translate_ptx(const std::string& text) {
  std::shared_ptr<Program> program = parse(text);
  return [program](void** parameters) -> std::function<void()> {
    std::vector<int64_t> copies;
    for (int i = 0; i < program->parameters; i++) {
      copies.push_back(*(int64_t*)parameters[i]);
    }
    return [program, copies] { execute(*program, copies); };
  };
}
